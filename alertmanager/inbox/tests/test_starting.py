"""A wrong setting or an unusable database ends the start with one line that says what to do."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from gunicorn.config import KNOWN_SETTINGS, Config
from gunicorn.workers.gthread import ThreadWorker
from running_inbox import RunningInbox, notification

from alert_inbox.health import probe
from alert_inbox.server import gunicorn_settings
from alert_inbox.settings import Settings, read_settings


def fails_to_start(*arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit status and the only line that a start leaves behind."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "alert_inbox", "--bind", "127.0.0.1:0", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    (line,) = (ended.stdout + ended.stderr).splitlines()
    return ended.returncode, line


def test_the_defaults_are_those_of_the_container() -> None:
    # Any existing folder will do for the database here; the container's own is /data.
    settings = read_settings({"ALERT_INBOX_DATABASE": "/inbox.sqlite3", "ALERT_INBOX_MAX_NOTIFICATIONS": ""})
    assert settings == Settings(Path("/inbox.sqlite3"), 10_000, "", "", runbooks=None, silence=timedelta(seconds=150))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATABASE", "inbox.sqlite3", "give a path that begins with /"),
        ("DATABASE", "/nowhere/at/all.sqlite3", "but '/nowhere/at' is no folder; create or mount it"),
        ("DATABASE", "/tmp", "which is a folder; name a file in it"),  # noqa: S108
        ("MAX_NOTIFICATIONS", "0", "give a whole number from 1 to 1000000"),
        ("MAX_NOTIFICATIONS", "many", "'many'; give a whole number"),
        ("MAX_NOTIFICATIONS", "9" * 5000, "give a whole number"),
        ("SILENCE_SECONDS", "0", "give a whole number from 1 to 86400"),
        ("RUNBOOKS", "/nowhere/at/all", "which is no folder; create or mount it"),
        ("ALERTMANAGER_URL", "alertmanager:9093", "for example http://127.0.0.1:9093"),
        ("ALERTMANAGER_URL", "javascript:alert(1)", "give the address a browser uses"),
        ("GRAFANA_URL", "grafana:3000", "for example http://127.0.0.1:3000"),
        ("URL", "javascript:alert(1)", "give the address a browser uses"),
        ("NOTIFY_FILE", "targets.txt", "give a path that begins with /"),
        ("ALLOWED_HOSTS", "http://monitor.example", "write names alone, without http:// or a port"),
    ],
)
def test_a_wrong_setting_ends_with_2_and_one_line(tmp_path: Path, name: str, value: str, expected: str) -> None:
    environment = {"ALERT_INBOX_DATABASE": str(tmp_path / "inbox.sqlite3"), f"ALERT_INBOX_{name}": value}
    status, line = fails_to_start(**environment)
    assert status == 2
    assert line.startswith(f"alert-inbox: ALERT_INBOX_{name} is '")
    assert expected in line


def test_a_wrong_heartbeat_address_is_not_shown_and_a_wrong_time_zone_is() -> None:
    status, line = fails_to_start(ALERT_INBOX_DATABASE="/inbox.sqlite3", ALERT_INBOX_HEARTBEAT_URL="s3cr3t")
    assert (status, "s3cr3t" in line) == (2, False)
    assert "ALERT_INBOX_HEARTBEAT_URL is no address" in line
    status, line = fails_to_start(ALERT_INBOX_DATABASE="/inbox.sqlite3", TZ="Shanghai")
    assert status == 2
    assert "TZ is 'Shanghai'; give a time zone by its name, for example Asia/Shanghai" in line
    zone = read_settings({"ALERT_INBOX_DATABASE": "/inbox.sqlite3", "TZ": ":Asia/Shanghai"}).zone
    assert str(zone) == "Asia/Shanghai"


@pytest.mark.parametrize("token", ["too-short-to-tel", "令牌令牌令牌令牌令牌令牌令牌令牌", "with a blank inside it"])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused_and_not_shown(token: str) -> None:
    status, line = fails_to_start(ALERT_INBOX_DATABASE="/inbox.sqlite3", ALERT_INBOX_TOKEN=token[:-1])
    assert (status, token[:-1] in line) == (2, False)
    assert "ALERT_INBOX_TOKEN must have at least 16 characters" in line


@pytest.mark.parametrize(
    ("address", "is_published"),
    [("127.0.0.1", False), ("127.1.2.3", False), ("::1", False), ("[::1]", False), ("localhost", False), ("", False),
     ("0.0.0.0", True), ("::", True), ("192.168.1.2", True), ("monitor.example", True)],
)  # fmt: skip
def test_what_is_bound_to_this_host_alone_is_not_published(address: str, is_published: bool) -> None:
    environment = {"ALERT_INBOX_DATABASE": "/inbox.sqlite3", "ALERT_INBOX_PUBLISHED_AT": address}
    assert read_settings(environment).is_published is is_published


def test_a_file_that_is_no_database_ends_with_1_and_one_line_and_is_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "inbox.sqlite3"
    file.write_text("somebody's notes, " * 100)
    status, line = fails_to_start(ALERT_INBOX_DATABASE=str(file))
    assert status == 1
    assert "it is no SQLite file; move it away" in line
    assert file.read_text() == "somebody's notes, " * 100


@pytest.mark.parametrize("damage", ["pages", "end"])
def test_a_damaged_database_is_moved_aside_so_that_alerts_reach_somebody(
    stopped_inbox: RunningInbox, damage: str
) -> None:
    inbox = stopped_inbox
    inbox.start()
    for number in range(100):
        inbox.post(notification(groupKey=str(number)))
    inbox.stop()
    whole = inbox.database.read_bytes()
    broken = whole[:4096] + b"x" * (len(whole) - 4096) if damage == "pages" else whole[: len(whole) // 2]
    inbox.database.write_bytes(broken)
    inbox.start()
    assert inbox.post(notification()).json()["stored"]
    assert inbox.get("/").status == 200
    assert f"kept as {inbox.database}.damaged" in inbox.log.read_text()
    assert Path(f"{inbox.database}.damaged").exists()


def test_a_database_of_a_newer_inbox_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "inbox.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 2")
    status, line = fails_to_start(ALERT_INBOX_DATABASE=str(file))
    assert status == 1
    assert "was written by a newer inbox (layout 2, this one knows 1)" in line


def test_every_gunicorn_setting_is_one_that_gunicorn_knows() -> None:
    settings = gunicorn_settings("127.0.0.1:0", "127.0.0.1:0")
    assert set(settings) <= {setting.name for setting in KNOWN_SETTINGS}
    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    # More than one process would break the metrics and the retry window's single writer.
    assert (config.workers, config.reuse_port) == (1, False)
    assert issubclass(config.worker_class, ThreadWorker)
    assert config.control_socket_disable is True
    assert config.worker_tmp_dir == "/dev/shm"  # noqa: S108
    with pytest.raises(AttributeError):
        config.set("preload", True)


def test_the_probe_passes_only_when_the_database_can_be_read(inbox: RunningInbox) -> None:
    url = f"http://127.0.0.1:{inbox.port}/healthz"
    assert probe(url) is None
    inbox.database.unlink()
    assert "answered 503" in (probe(url) or "")
    assert "store_unavailable" in (probe(url) or "")
    inbox.stop()
    assert "does not answer" in (probe(url) or "")


def test_the_probe_is_a_program_that_ignores_proxies(inbox: RunningInbox) -> None:
    url = f"http://127.0.0.1:{inbox.port}/healthz"
    command = [sys.executable, "-W", "error", "-m", "alert_inbox.health", url]
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}
    healthy = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")
    inbox.stop()
    ill = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ill.returncode == 1
    assert len(ill.stderr.splitlines()) == 1
