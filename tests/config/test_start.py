"""The wrapper that gives Grafana its admin password, under a busybox shell and as the user Grafana runs as."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.config.containers import ROOT, DockerError, docker, image_of, needs_engine, unique

pytestmark = needs_engine

START = ROOT / "grafana" / "start.sh"
# Takes the place of the image's own entrypoint: says what it was started with.
RUN = """#!/bin/sh
for argument; do echo "argument: $argument"; done
echo "plain: ${GF_SECURITY_ADMIN_PASSWORD:-}"
echo "file: ${GF_SECURITY_ADMIN_PASSWORD__FILE:-}"
for file in ${GF_SECURITY_ADMIN_PASSWORD__FILE:-}; do echo "password: $(cat $file)"; done
echo "umask: $(umask)"
echo "enforced: ${GF_SERVER_ENFORCE_DOMAIN:-}"
ls -ln /var/lib/grafana
"""
Start = Callable[..., str]


@pytest.fixture
def volume() -> Iterator[str]:
    name = unique("grafana")
    docker("volume", "create", name)
    in_volume(name, "chown 472:0 /data")
    yield name
    docker("volume", "rm", name)


@pytest.fixture
def start(volume: str, tmp_path: Path) -> Start:
    run = tmp_path / "run.sh"
    run.write_text(RUN)
    run.chmod(0o755)
    empty = tmp_path / "empty"
    empty.touch()

    def started(*settings: str, readonly: bool = False, user: str = "472", over: str = "/unused") -> str:
        return docker(
            "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", f"--user={user}:0",
            f"--volume={START}:/etc/grafana/start.sh:ro", f"--volume={run}:/run.sh:ro",
            f"--volume={volume}:/var/lib/grafana{':ro' if readonly else ''}", f"--volume={empty}:{over}:ro",
            *(f"--env={setting}" for setting in settings),
            "--entrypoint=/bin/sh", image_of("alertmanager"), "/etc/grafana/start.sh", "--one", "two words",
        )  # fmt: skip

    return started


def in_volume(volume: str, command: str) -> str:
    return docker(
        "run", "--rm", "--network=none", "--user=0", f"--volume={volume}:/data", "--entrypoint=/bin/sh",
        image_of("alertmanager"), "-c", command,
    )  # fmt: skip


def password(output: str) -> str:
    found = re.search("^password: (.*)$", output, re.M)
    assert found, output
    return found[1]


def test_first_start_makes_a_password_that_only_grafana_can_read(start: Start) -> None:
    output = start()
    assert re.fullmatch("[A-Za-z0-9]{24}", password(output))
    assert "argument: --one\nargument: two words\n" in output
    assert "file: /var/lib/grafana/admin-password\n" in output
    (line,) = [line for line in output.splitlines() if "admin-password" in line and line.startswith("-")]
    assert line.split()[0] == "-r--------"
    assert line.split()[2] == "472"
    assert "admin-password.new" not in output
    assert "umask: 0022\n" in output, "Grafana's own files must stay as readable as they are without the wrapper"


@pytest.mark.parametrize(
    ("host", "published_at", "enforced"),
    [
        ("127.0.0.1", "127.0.0.1", "true"),
        ("monitor.example", "0.0.0.0", "true"),
        ("[::1]", "::1", "false"),
        ("127.0.0.1", "0.0.0.0", "false"),
        ("127.0.0.1", "10.1.2.3", "false"),
    ],
)
def test_nobody_is_led_where_grafana_is_not(start: Start, host: str, published_at: str, enforced: str) -> None:
    output = start(f"GF_SERVER_DOMAIN={host}", f"PUBLISHED_AT={published_at}", "GF_SERVER_ENFORCE_DOMAIN=true")
    assert f"\nenforced: {enforced}\n" in output


def test_later_starts_keep_the_password(start: Start) -> None:
    assert password(start()) == password(start())


def test_two_stacks_have_different_passwords(start: Start, volume: str) -> None:
    first = password(start())
    in_volume(volume, "rm /data/admin-password")
    assert password(start()) != first


def test_an_interrupted_first_start_is_made_good(start: Start, volume: str) -> None:
    in_volume(
        volume,
        "touch /data/admin-password; printf half >/data/admin-password.new; chown 472 /data/*; chmod 400 /data/*",
    )
    assert len(password(start())) == 24


@pytest.mark.parametrize(
    "setting", ["GF_SECURITY_ADMIN_PASSWORD=chosen", "GF_SECURITY_ADMIN_PASSWORD__FILE=/etc/hostname"]
)
def test_a_password_of_the_user_is_left_alone(start: Start, setting: str) -> None:
    output = start(setting)
    assert setting.partition("=")[2] in output
    assert "admin-password" not in output


def test_an_empty_setting_is_no_password(start: Start) -> None:
    assert len(password(start("GF_SECURITY_ADMIN_PASSWORD="))) == 24


def test_no_password_is_shown_that_an_older_database_does_not_have(start: Start, volume: str) -> None:
    in_volume(volume, "touch /data/grafana.db; chown 472 /data/grafana.db")
    output = start()
    assert "file: \n" in output
    assert "admin-password" not in output


@pytest.mark.parametrize("how", [{"readonly": True}, {"user": "1234"}], ids=["read-only", "wrong owner"])
def test_a_volume_that_cant_be_written_is_one_clear_line(start: Start, how: dict[str, bool | str]) -> None:
    with pytest.raises(DockerError) as failure:
        start(**how)
    output = str(failure.value).split("ended with 1:\n")[1].strip()
    assert output.count("\n") == 0
    assert output.startswith("start.sh: can't write the admin password to /var/lib/grafana")
    assert "remove the volume" in output


def test_a_full_volume_is_one_clear_line_and_no_half_password() -> None:
    fill = (
        "head -c 8192 /dev/zero >/var/lib/grafana/fill 2>/dev/null; /bin/sh /etc/grafana/start.sh; ls /var/lib/grafana"
    )
    output = docker(
        "run", "--rm", "--network=none", "--read-only", "--user=472:0", "--tmpfs=/var/lib/grafana:uid=472,size=8k",
        f"--volume={START}:/etc/grafana/start.sh:ro", "--entrypoint=/bin/sh", image_of("alertmanager"),
        "-c", f"( {fill} ) 2>&1",
    )  # fmt: skip
    assert output.startswith("start.sh: can't write the admin password to /var/lib/grafana")
    assert "admin-password\n" not in output.splitlines(keepends=True)


def test_no_password_is_better_than_an_empty_one(start: Start) -> None:
    with pytest.raises(DockerError, match="can't write the admin password"):
        start(over="/dev/urandom")


def test_a_password_of_another_user_is_one_clear_line(start: Start, volume: str) -> None:
    in_volume(volume, "echo secret >/data/admin-password; chmod 400 /data/admin-password")
    with pytest.raises(DockerError, match="can't read /var/lib/grafana/admin-password as uid 472"):
        start()
