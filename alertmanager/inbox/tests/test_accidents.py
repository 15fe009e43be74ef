"""What editors, clocks and full disks do to the sending costs no message and no wrong word."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from running_inbox import RunningInbox, wait_until
from running_robots import TOKEN, RunningRobots
from test_durability import fill_up, small_disk  # noqa: F401 - a fixture
from test_page import page
from test_sending import forget_pauses, named, notify_test, sample, told, write_targets

from alert_inbox.outbox import Outbox
from alert_inbox.post import Pace
from alert_inbox.store import Store
from alert_inbox.targets import read_targets


def test_what_waits_survives_an_editor_that_empties_the_file_before_it_writes(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(away=True)
    file = write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    inbox.post(named("Slow"))
    wait_until(lambda: robots.seen("DingTalk"), "it was tried")
    reads = inbox.log.read_text().count("messages go to")
    # Longer than one look at the file, and shorter than two.
    file.write_text("")
    time.sleep(0.9)
    write_targets(inbox, robots.line("DingTalk", "language=en"))
    wait_until(lambda: inbox.log.read_text().count("messages go to") > reads, "the file is read")
    assert "messages go to: nobody" not in inbox.log.read_text()
    # Gone for longer, as with a mount that was missing.
    file.unlink()
    wait_until(lambda: "Its line was taken out of the file" in page(inbox).text, "the page says so")
    inbox.stop()
    forget_pauses(inbox)
    robots.behave(away=False)
    inbox.start()
    write_targets(inbox, robots.line("DingTalk"))
    wait_until(lambda: told(robots, "DingTalk", "Slow") == 1, "it is told")


def test_a_line_that_an_edit_breaks_goes_on_as_it_was(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("DingTalk"), robots.line("Feishu"))
    inbox.start()
    file = write_targets(inbox, robots.line("DingTalk", "secrt=1"))
    wait_until(lambda: "line 1: word 2 is no option" in page(inbox).text, "the fault is shown")
    inbox.post(named("Slow"))
    wait_until(lambda: told(robots, "DingTalk", "Slow") and told(robots, "Feishu", "Slow"), "both are told")
    file.write_bytes("# 告警".encode("gbk"))
    wait_until(lambda: "it is not UTF-8" in page(inbox).text, "the fault is shown")
    inbox.post(named("Next"))
    wait_until(lambda: told(robots, "DingTalk", "Next") and told(robots, "Feishu", "Next"), "both are told")
    write_targets(inbox, robots.line("Feishu"))
    wait_until(lambda: "not UTF-8" not in page(inbox).text, "the fault is mended")
    inbox.post(named("Last"))
    wait_until(lambda: told(robots, "Feishu", "Last"), "the other is told")
    assert told(robots, "DingTalk", "Last") == 0


def test_a_new_address_in_a_line_gets_what_the_old_one_refused(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("DingTalk").replace(TOKEN, "mistyped"), robots.line("WeCom"))
    inbox.start()
    inbox.post(named("Slow"))
    wait_until(lambda: "300001" in page(inbox).text, "it is refused")
    write_targets(inbox, robots.line("DingTalk"), robots.line("WeCom"))
    wait_until(lambda: told(robots, "DingTalk", "Slow") == 1, "it is sent after all")
    wait_until(lambda: "300001" not in page(inbox).text, "the page shows no refusal")
    assert told(robots, "WeCom", "Slow") == 1


def test_notify_test_needs_no_room_on_the_disk(
    small_disk: Path,  # noqa: F811 - the fixture
    robots: RunningRobots,
    stopped_inbox: RunningInbox,
) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_DATABASE"] = str(small_disk / "inbox.sqlite3")
    write_targets(inbox, robots.line("DingTalk"), robots.line("Feishu"))
    inbox.start()
    fill_up(small_disk / "ballast")
    ran = notify_test(inbox)
    assert ran.stdout == "DingTalk (line 1): sent\nFeishu (line 2): sent\n"
    assert ran.returncode == 0
    assert ran.stderr.count("won't show this test") == 2


def test_what_notify_test_sends_counts_for_the_limits_of_the_running_inbox(tmp_path: Path) -> None:
    store = Store(tmp_path / "inbox.sqlite3", 10)
    store.create()
    (tmp_path / "targets.txt").write_text("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc")
    (target,), _ = read_targets(tmp_path / "targets.txt")
    running, test = (Pace(Outbox(store, lambda: None), target) for _ in range(2))
    running.note()
    for _ in range(2):
        test.note()
    assert running.wait([(3, 70.0)]) == pytest.approx(70, abs=5)
    running.note()
    assert test.wait([(4, 70.0)]) == pytest.approx(70, abs=5)
    test.note(pause=600)
    assert running.wait([]) == pytest.approx(600, abs=5)


def test_a_refusal_from_before_the_clock_was_set_back_is_forgotten(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(token="another")  # noqa: S106 - of the fake
    write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    inbox.post(named("Slow"))
    refuses = 'alert_inbox_target_refuses{target="DingTalk (line 1)"}'
    wait_until(lambda: sample(inbox, refuses) == 1, "it is refused")
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        ahead = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        connection.execute("UPDATE deliveries SET at = ?, queued_at = ?", (ahead, ahead))
    robots.behave(token=TOKEN)
    inbox.post(named("Next"))
    wait_until(lambda: told(robots, "DingTalk", "Next"), "the next is told")
    wait_until(lambda: sample(inbox, refuses) == 0, "it takes messages again")
