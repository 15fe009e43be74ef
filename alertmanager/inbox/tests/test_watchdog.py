"""The watchdog: its time is kept, its silence is shown, and neither becomes news."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from running_inbox import Answer, RunningInbox, alert, notification, wait_until
from test_page import page

from alert_inbox.language import CHINESE, ENGLISH
from alert_inbox.store import Store
from alert_inbox.watchdog import Watchdog


def bark(inbox: RunningInbox, status: str = "firing", **annotations: str) -> Answer:
    """Send the watchdog as Alertmanager does."""
    body = json.dumps(notification(alert("Watchdog", status, annotations=annotations))).encode()
    return inbox.request("POST", "/watchdog", body, {"Content-Type": "application/json"})


def metric(inbox: RunningInbox, name: str) -> float | None:
    """The value of a metric without labels; None if there is none."""
    lines = (line.split() for line in inbox.get("/metrics").text.splitlines())
    return next((float(line[1]) for line in lines if line[0] == name), None)


def is_silent(inbox: RunningInbox) -> bool:
    return metric(inbox, "alert_inbox_watchdog_silent") == 1


@pytest.fixture
def impatient(stopped_inbox: RunningInbox) -> RunningInbox:
    """One that counts two seconds without the watchdog as silence."""
    stopped_inbox.environment["ALERT_INBOX_SILENCE_SECONDS"] = "2"
    stopped_inbox.start()
    return stopped_inbox


def test_the_watchdog_is_heard_and_is_no_news(inbox: RunningInbox) -> None:
    assert metric(inbox, "alert_inbox_watchdog_heard_timestamp_seconds") is None
    before = time.time()
    for _ in range(3):
        answer = bark(inbox)
        assert (answer.status, answer.json()) == (200, {"heard": True})
    heard = metric(inbox, "alert_inbox_watchdog_heard_timestamp_seconds")
    assert heard is not None
    assert before <= heard <= time.time()
    assert not is_silent(inbox)
    assert inbox.stored() == []
    assert inbox.get("/healthz").json() == {"status": "ok", "stored_notifications": 0}
    assert 'alert_inbox_notifications_total{status="firing"} 0.0' in inbox.get("/metrics").text


def test_a_message_that_only_repeats_an_old_evaluation_is_no_sign_of_life(inbox: RunningInbox) -> None:
    old = time.time() - 149
    assert bark(inbox, evaluated_at=f"{old:.0f}").status == 200
    assert metric(inbox, "alert_inbox_watchdog_heard_timestamp_seconds") == float(f"{old:.0f}")
    wait_until(lambda: is_silent(inbox), "the silence is noticed")
    bark(inbox, evaluated_at=f"{time.time():.0f}")
    assert not is_silent(inbox)


@pytest.mark.parametrize("text", ["9" * 11, "", "soon", "1e300", "-5", "٣"])
def test_a_time_that_is_none_or_lies_ahead_counts_as_now(inbox: RunningInbox, text: str) -> None:
    before = time.time()
    assert bark(inbox, evaluated_at=text).json() == {"heard": True}
    heard = metric(inbox, "alert_inbox_watchdog_heard_timestamp_seconds")
    assert heard is not None
    assert before <= heard <= time.time()


def test_its_end_is_no_sign_of_life(inbox: RunningInbox) -> None:
    assert bark(inbox, "resolved").json() == {"heard": False}
    assert metric(inbox, "alert_inbox_watchdog_heard_timestamp_seconds") is None


def test_what_is_no_notification_is_refused_here_too(inbox: RunningInbox) -> None:
    answer = inbox.request("POST", "/watchdog", b"{}", {"Content-Type": "application/json"})
    assert (answer.status, answer.error()["code"]) == (400, "invalid_payload")
    answer = inbox.request("POST", "/watchdog", b"{}", {"Content-Type": "text/plain"})
    assert answer.error()["code"] == "invalid_content_type"
    assert metric(inbox, "alert_inbox_watchdog_heard_timestamp_seconds") is None


def test_silence_is_shown_with_its_beginning_in_both_languages_and_ends_with_the_next_sign(
    impatient: RunningInbox,
) -> None:
    bark(impatient)
    assert "silent" not in page(impatient).text
    wait_until(lambda: is_silent(impatient), "the silence is noticed")
    heard = metric(impatient, "alert_inbox_watchdog_heard_timestamp_seconds")
    assert heard is not None
    since = f"{datetime.fromtimestamp(heard, UTC):%Y-%m-%d %H:%M:%S}"
    for language, words in (("en", ENGLISH), ("zh", CHINESE)):
        assert words.silent.format(time=since) in page(impatient, language=language).text
    assert impatient.get("/healthz").status == 200
    assert impatient.stored() == []
    bark(impatient)
    assert not is_silent(impatient)
    assert "silent" not in page(impatient).text


def test_silence_leads_to_its_runbook_where_there_is_one(stopped_inbox: RunningInbox, tmp_path: Path) -> None:
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "Watchdog.md").write_text("# Watchdog\n")
    stopped_inbox.environment |= {"ALERT_INBOX_SILENCE_SECONDS": "1", "ALERT_INBOX_RUNBOOKS": str(folder)}
    stopped_inbox.start()
    assert "/runbooks/Watchdog" not in page(stopped_inbox).all("a", "href")
    wait_until(lambda: is_silent(stopped_inbox), "the silence is noticed")
    assert "/runbooks/Watchdog" in page(stopped_inbox).all("a", "href")


def test_a_watchdog_that_was_never_heard_is_reported_without_a_time(impatient: RunningInbox) -> None:
    assert ENGLISH.never_heard not in page(impatient).text
    wait_until(lambda: is_silent(impatient), "the silence is noticed")
    assert ENGLISH.never_heard in page(impatient).text
    assert CHINESE.never_heard in page(impatient, language="zh").text


def heard_before(inbox: RunningInbox, ago: timedelta) -> str:
    """Store that an earlier process heard the watchdog; returns the time as the page shows it."""
    moment = datetime.now(UTC) - ago
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO watchdog VALUES (1, ?)", (moment.isoformat(),))
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def test_a_restart_forgets_neither_the_silence_nor_its_beginning_and_gives_a_grace(inbox: RunningInbox) -> None:
    since = heard_before(inbox, timedelta(hours=3))
    inbox.stop()
    inbox.environment["ALERT_INBOX_SILENCE_SECONDS"] = "4"
    begun = time.monotonic()
    inbox.start()
    # Alertmanager had nobody to tell: for half of the time nothing is held against it.
    assert not is_silent(inbox)
    wait_until(lambda: is_silent(inbox), "the silence is noticed")
    assert 2 <= time.monotonic() - begun < 4
    assert ENGLISH.silent.format(time=since) in page(inbox).text


def test_a_clock_that_was_set_back_is_no_silence_at_once_and_hides_none_for_ever(tmp_path: Path) -> None:
    store = Store(tmp_path / "inbox.sqlite3", 10)
    store.create()
    store.set_watchdog_heard_at(datetime.now(UTC) + timedelta(days=1))
    watchdog = Watchdog(store, timedelta(seconds=1))
    assert not watchdog.state().silent
    wait_until(lambda: watchdog.state().silent, "the silence is noticed")


def test_a_database_that_cannot_be_written_is_no_silence(impatient: RunningInbox) -> None:
    for file in impatient.folder.glob("inbox.sqlite3*"):
        file.unlink()
    wait_until(lambda: is_silent(impatient), "the silence is noticed")
    assert bark(impatient).status == 200
    assert not is_silent(impatient)
    assert "is not stored" in impatient.log.read_text()


def test_a_database_of_an_inbox_without_watchdog_is_taken_over(inbox: RunningInbox) -> None:
    inbox.post(notification())
    inbox.stop()
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        connection.execute("DROP TABLE watchdog")
        # Added later too.
        connection.execute("ALTER TABLE notifications DROP COLUMN unconfirmed")
    inbox.start()
    assert len(inbox.stored()) == 1
    assert bark(inbox).json() == {"heard": True}
