"""A notification answered with 200 is kept; one that can't be kept is not answered with 200."""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from running_inbox import PATIENCE, RunningInbox, alert, notification, wait_until

from alert_inbox.errors import StoreError
from alert_inbox.store import Store

REMINDER = "repeat interval elapsed"


def names(inbox: RunningInbox) -> list[str]:
    return [stored["alerts"][0]["labels"]["alertname"] for stored in inbox.stored()]


def test_a_restart_keeps_what_is_stored(inbox: RunningInbox) -> None:
    inbox.post(notification(alert("Kept")))
    before = inbox.stored()
    inbox.stop()
    inbox.start()
    assert inbox.stored() == before
    assert inbox.post(notification(alert("Next"))).json()["id"] == 2


def test_kill_9_straight_after_the_answer_keeps_what_is_stored(inbox: RunningInbox) -> None:
    for number in range(3):
        assert inbox.post(notification(alert(f"Kept{number}"))).status == 200
        inbox.stop(signal.SIGKILL)
        inbox.start()
    assert names(inbox) == ["Kept2", "Kept1", "Kept0"]


def test_a_delivery_that_is_repeated_after_a_crash_is_stored_once(inbox: RunningInbox) -> None:
    inbox.post(notification())
    inbox.stop(signal.SIGKILL)
    inbox.start()
    assert inbox.post(notification()).json() == {"id": 1, "stored": False}


@pytest.mark.parametrize(
    ("before", "reason", "age", "is_new"),
    [
        # A reminder, however soon, and its second deliveries.
        ("first notification", REMINDER, 1, True),
        (REMINDER, REMINDER, 299, False),
        (REMINDER, REMINDER, 301, True),
        # An Alertmanager that was killed knows nothing of what it has told, and may be away for long.
        ("first notification", "first notification", 49 * 60, False),
        ("first notification", "all alerts resolved", 49 * 60, False),
        (REMINDER, "first notification", 49 * 60, False),
        # One before 0.33, which gives no reason.
        (None, None, 49 * 60, False),
        (None, None, 51 * 60, True),
        # The clock was set back.
        ("first notification", "first notification", -60, True),
    ],
)
def test_what_a_group_has_told_is_news_again_only_as_a_reminder(
    inbox: RunningInbox, before: str | None, reason: str | None, age: int, is_new: bool
) -> None:
    inbox.post(notification(notification_reason=before))
    received_at = datetime.now(UTC) - timedelta(seconds=age)
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        connection.execute("UPDATE notifications SET received_at = ?", (received_at.isoformat(),))
    again = notification(alert(annotations={"summary": "another figure"}), notification_reason=reason)
    assert inbox.post(again).json()["stored"] is is_new


def test_a_figure_in_a_text_that_has_changed_is_no_news_and_a_new_beginning_is(inbox: RunningInbox) -> None:
    assert inbox.post(notification(alert(annotations={"summary": "P95 is 2.1 s"}))).json()["stored"]
    assert not inbox.post(notification(alert(annotations={"summary": "P95 is 2.4 s"}))).json()["stored"]
    assert inbox.post(notification(alert(startsAt="2026-03-04T06:00:00Z"))).json()["stored"]
    assert inbox.post(notification(alert(labels={"alertname": "GTE_TaskLatencyHigh"}))).json()["stored"]


def test_a_worker_that_is_killed_is_replaced(inbox: RunningInbox) -> None:
    inbox.post(notification())
    (worker,) = Path(f"/proc/{inbox.pid}/task/{inbox.pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)

    def answers() -> bool:
        try:
            return inbox.get("/healthz").status == 200
        except OSError:
            return False

    wait_until(lambda: not Path(f"/proc/{worker}").exists() and answers(), "another worker answers")
    assert len(inbox.stored()) == 1


def test_sigterm_lets_the_request_in_flight_finish(inbox: RunningInbox) -> None:
    body = json.dumps(notification(alert("InFlight"))).encode()
    with socket.create_connection(("127.0.0.1", inbox.port), timeout=PATIENCE) as connection:
        head = "POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:20])
        # A second request that is answered shows that the first one's bytes have been accepted before.
        assert inbox.get("/healthz").status == 200
        os.kill(inbox.pid, signal.SIGTERM)
        wait_until(lambda: "Handling signal: term" in inbox.log.read_text(), "SIGTERM is noticed")
        connection.sendall(body[20:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert inbox.wait() == 0
    inbox.start()
    assert names(inbox) == ["InFlight"]


def test_the_oldest_go_when_the_bound_is_reached(stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_MAX_NOTIFICATIONS"] = "3"
    inbox.start()
    for number in range(5):
        inbox.post(notification(alert(f"N{number}")))
    assert names(inbox) == ["N4", "N3", "N2"]
    assert inbox.stored("?alertname=N0") == []
    with closing(sqlite3.connect(inbox.database)) as connection:
        assert connection.execute("SELECT count(*) FROM alert_names").fetchone() == (3,)
    inbox.stop()
    inbox.environment["ALERT_INBOX_MAX_NOTIFICATIONS"] = "1"
    inbox.start()
    assert names(inbox) == ["N4"]


def test_an_answer_is_cut_before_it_outgrows_the_memory_and_says_so(inbox: RunningInbox) -> None:
    for number in range(6):
        long = {"description": f"{number}" * 300_000}
        assert inbox.post(notification(alert(f"N{number}", annotations=long))).status == 200
    first = inbox.get("/api/notifications?limit=10").json()
    assert [stored["id"] for stored in first["notifications"]] == [6, 5, 4]
    rest = inbox.get(f"/api/notifications?limit=10&before={first['next_before']}").json()
    assert [stored["id"] for stored in rest["notifications"]] == [3, 2, 1]
    assert rest["next_before"] is None


def test_a_locked_database_asks_alertmanager_to_come_again_and_can_still_be_read(inbox: RunningInbox) -> None:
    inbox.post(notification(alert("Before")))
    with closing(sqlite3.connect(inbox.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = inbox.post(notification(alert("Meanwhile")))
        assert (answer.status, answer.error()["code"]) == (503, "store_unavailable")
        assert "locked" in answer.error()["message"]
        assert inbox.get("/healthz").status == 200
        assert inbox.get("/").status == 200
        other.execute("ROLLBACK")
    (line,) = [line for line in inbox.log.read_text().splitlines() if "ERROR" in line]
    assert "not stored, Alertmanager will send it again: database" in line
    assert "Traceback" not in inbox.log.read_text()
    assert inbox.post(notification(alert("Meanwhile"))).json()["stored"]
    assert names(inbox) == ["Meanwhile", "Before"]


def test_a_database_that_vanished_is_noticed_and_made_again_by_a_restart(inbox: RunningInbox) -> None:
    assert inbox.get("/healthz").json() == {"status": "ok", "stored_notifications": 0}
    for file in inbox.folder.glob("inbox.sqlite3*"):
        file.unlink()
    assert inbox.get("/healthz").error()["code"] == "store_unavailable"
    assert inbox.post(notification()).status == 503
    assert inbox.get("/").status == 503
    assert not inbox.database.exists()
    metrics = inbox.get("/metrics")
    assert metrics.status == 200
    assert "\nalert_inbox_stored_notifications " not in metrics.text
    assert 'alert_inbox_refused_notifications_total{reason="store"} 1.0' in metrics.text
    inbox.stop()
    inbox.start()
    assert inbox.post(notification()).status == 200


def fill(inbox: RunningInbox) -> int:
    """Post long notifications until one is refused; return how many were stored."""
    for number in range(100):
        answer = inbox.post(notification(alert(f"N{number}", annotations={"description": "x" * 20_000})))
        if answer.status != 200:
            assert (answer.status, answer.error()["code"]) == (503, "store_unavailable")
            return number
    raise AssertionError("the space never ran out")


def test_a_file_that_may_not_grow_asks_alertmanager_to_come_again(stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.start(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)))
    stored = fill(inbox)
    assert stored > 0
    assert len(inbox.stored("?limit=1000")) == stored
    inbox.stop(signal.SIGKILL)
    inbox.start()
    assert len(inbox.stored("?limit=1000")) == stored
    assert inbox.post(notification()).status == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few MB that is not needed for anything else: the one named by the environment, or a new one."""
    given = os.environ.get("GTE_TEST_SMALL_DISK")
    if given:
        folder = Path(given) / "alert-inbox"
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"name a small disk in GTE_TEST_SMALL_DISK: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(file: Path) -> None:
    with pytest.raises(OSError, match="No space left"), file.open("wb", buffering=0) as rest:
        while True:
            rest.write(b"x" * 512)


def test_a_disk_it_has_filled_itself_asks_alertmanager_to_come_again(
    small_disk: Path, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_DATABASE"] = str(small_disk / "inbox.sqlite3")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 400_000))
    inbox.start()
    stored = fill(inbox)
    assert stored > 0
    assert inbox.get("/healthz").json()["stored_notifications"] == stored
    (line,) = [line for line in inbox.log.read_text().splitlines() if "ERROR" in line]
    assert "free space on its disk or volume" in line
    ballast.unlink()
    assert inbox.post(notification()).status == 200
    assert len(inbox.stored("?limit=1000")) == stored + 1


def test_a_disk_that_others_have_filled_can_still_be_read(small_disk: Path, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_DATABASE"] = str(small_disk / "inbox.sqlite3")
    inbox.start()
    inbox.post(notification(alert("Before")))
    fill_up(small_disk / "ballast")
    assert inbox.get("/healthz").status == 200
    assert names(inbox) == ["Before"]
    assert inbox.post(notification(alert("Meanwhile"))).status == 503
    (small_disk / "ballast").unlink()
    assert inbox.post(notification(alert("Meanwhile"))).status == 200
    assert names(inbox) == ["Meanwhile", "Before"]


def test_a_full_disk_is_noticed_before_the_next_notification(small_disk: Path) -> None:
    store = Store(small_disk / "inbox.sqlite3", 10)
    store.create()
    store.open()
    store.check_writable()
    fill_up(small_disk / "ballast")
    with pytest.raises(StoreError, match="free space on its disk"):
        store.check_writable()
    (small_disk / "ballast").unlink()
    store.check_writable()
    store.close()
