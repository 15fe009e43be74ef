"""What the running inbox has stored reaches the chat once, in time, within the robot's limits, and is noted."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from running_inbox import RunningInbox, alert, notification, wait_until
from running_robots import TOKEN, RunningRobots, text_of
from test_durability import fill_up, small_disk  # noqa: F401 - a fixture
from test_page import page
from test_watchdog import bark, is_silent

from alert_inbox.language import ENGLISH
from alert_inbox.wording import DELIVERY_FAILING

Json = Any
RIGHT = "SEC-of-the-robot"
STACK_RULES = Path(__file__).resolve().parents[3] / "prometheus" / "rules" / "stack.yml"


def write_targets(inbox: RunningInbox, *lines: str) -> Path:
    """Write the file of targets as an editor does: another file takes its place."""
    file = inbox.folder / "notify" / "targets.txt"
    file.parent.mkdir(exist_ok=True)
    file.with_suffix(".new").write_text("\n".join(lines) + "\n", encoding="utf-8")
    file.with_suffix(".new").rename(file)
    inbox.environment["ALERT_INBOX_NOTIFY_FILE"] = str(file)
    return file


def named(name: str, status: str = "firing", severity: str = "warning", **changes: Json) -> Json:
    """Return a notification about one alert with a name of its own."""
    about = alert(name, status, labels={"alertname": name, "severity": severity, "task_type": "qa"})
    return notification(about, groupKey=name, **changes)


def told(robots: RunningRobots, kind: str, name: str) -> int:
    """Return how many messages that were taken name an alert."""
    return sum(bool(re.search(rf"\b{name}\b", text_of(body))) for body in robots.taken(kind))


def sample(inbox: RunningInbox, series: str) -> float | None:
    """Return the value of a series."""
    lines = inbox.get("/metrics").text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(series + " ")), None)


def make_older(inbox: RunningInbox, by: timedelta) -> None:
    """Let everything that waits have waited longer."""
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        moment = (datetime.now(UTC) - by).isoformat()
        connection.execute("UPDATE deliveries SET queued_at = ? WHERE state = 'waiting'", (moment,))


def forget_pauses(inbox: RunningInbox) -> None:
    """Let a target that is to be left alone be asked at once, by the next process."""
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        connection.execute("UPDATE pace SET not_before = 0")


def test_a_line_in_the_file_is_all_that_a_chat_needs(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.environment["TZ"] = "Asia/Shanghai"
    write_targets(inbox, robots.line("DingTalk", "at=13800000000"), robots.line("WeCom"), robots.line("Feishu"))
    inbox.start()
    began = time.time()
    inbox.post(named("Slow"))
    kinds = ("DingTalk", "WeCom", "Feishu")
    wait_until(lambda: [told(robots, kind, "Slow") for kind in kinds] == [1, 1, 1], "all are told")
    assert max(one["at"] for one in robots.seen()) - began < 5
    (body,) = robots.taken("DingTalk")
    assert "2026-03-04 13:06:07 +08:00" in body["markdown"]["text"]
    inbox.post(named("Slow"))
    inbox.post(named("Slow", "resolved"))
    names = [f"{kind} (line {number})" for number, kind in enumerate(kinds, start=1)]
    sent = 'alert_inbox_messages_total{{outcome="sent",target="{}"}}'
    wait_until(lambda: [sample(inbox, sent.format(name)) for name in names] == [2, 2, 2], "the end is told")
    # The repeated one was no news.
    assert [told(robots, kind, "Slow") for kind in kinds] == [2, 2, 2]
    assert "已恢复" in text_of(robots.taken("WeCom")[1])
    assert sample(inbox, 'alert_inbox_waiting_messages{target="Feishu (line 3)"}') == 0


def test_severities_below_the_limit_of_a_line_are_not_sent(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("DingTalk", "from=critical language=en"), robots.line("Feishu"))
    inbox.start()
    inbox.post(named("Note", severity="info"))
    inbox.post(named("Warned"))
    inbox.post(named("Burning", severity="critical"))
    wait_until(lambda: told(robots, "DingTalk", "Burning") and told(robots, "Feishu", "Burning"), "both are told")
    assert [told(robots, "DingTalk", name) for name in ("Note", "Warned")] == [0, 0]
    assert [told(robots, "Feishu", name) for name in ("Note", "Warned")] == [0, 1]
    assert "FIRING" in text_of(robots.taken("DingTalk"))


def test_a_reminder_is_sent_as_one(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    write_targets(stopped_inbox, robots.line("DingTalk", "language=en"))
    stopped_inbox.start()
    stopped_inbox.post(named("Slow"))
    wait_until(lambda: told(robots, "DingTalk", "Slow") == 1, "it is told")
    with closing(sqlite3.connect(stopped_inbox.database)) as connection, connection:
        hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        connection.execute("UPDATE notifications SET received_at = ?", (hour_ago,))
    stopped_inbox.post(named("Slow", notification_reason="repeat interval elapsed"))
    wait_until(lambda: "STILL FIRING" in text_of(robots.taken("DingTalk")), "the reminder is told")


def test_a_critical_alert_rings_in_wecom_by_a_second_message(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    write_targets(stopped_inbox, robots.line("WeCom", "at=13800000000"))
    stopped_inbox.start()
    stopped_inbox.post(named("Burning", severity="critical"))
    first, second = wait_until(lambda: len(taken := robots.taken("WeCom")) == 2 and taken, "both have come")
    assert (first["msgtype"], second["msgtype"]) == ("markdown", "text")
    assert second["text"]["mentioned_mobile_list"] == ["13800000000"]
    assert "Burning" in second["text"]["content"]


def test_a_chat_that_was_away_for_an_hour_gets_everything_once_and_is_told_from_when(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(away=True)
    write_targets(inbox, robots.line("DingTalk", "language=en"))
    inbox.start()
    for number in range(30):
        inbox.post(named(f"A{number}", severity="critical" if number == 29 else "warning"))
    wait_until(lambda: robots.seen("DingTalk"), "it was tried")
    wait_until(lambda: "RemoteDisconnected" in page(inbox).text, "the page says why")
    assert sample(inbox, 'alert_inbox_waiting_messages{target="DingTalk (line 1)"}') == 30
    inbox.stop()
    make_older(inbox, timedelta(hours=1))
    forget_pauses(inbox)
    robots.behave(away=False)
    inbox.start()
    wait_until(lambda: sample(inbox, 'alert_inbox_waiting_messages{target="DingTalk (line 1)"}') == 0, "all are sent")
    assert [told(robots, "DingTalk", f"A{number}") for number in range(30)] == [1] * 30
    # One message, the critical one first, each with its time.
    (body,) = robots.taken("DingTalk")
    assert body["markdown"]["text"].index("A29") < body["markdown"]["text"].index("A0 ")
    assert body["markdown"]["text"].count("[news of ") == 31
    assert sample(inbox, 'alert_inbox_oldest_waiting_seconds{target="DingTalk (line 1)"}') == 0


def test_sixty_groups_at_once_are_a_few_messages_that_the_robot_takes_and_the_critical_waits_least(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    for number in range(60):
        inbox.post(named(f"G{number}", severity="critical" if number == 59 else "warning"))
    wait_until(lambda: sum(told(robots, "DingTalk", f"G{number}") for number in range(60)) == 60, "all are told")
    assert [told(robots, "DingTalk", f"G{number}") for number in range(60)] == [1] * 60
    assert [one["said"]["errcode"] for one in robots.seen()] == [0] * len(robots.seen())
    assert len(robots.seen()) <= 8
    (last,) = (body["markdown"] for body in robots.taken() if "G59 " in body["markdown"]["text"])
    assert "G59" in last["title"]


def test_a_limit_that_is_reached_holds_over_a_restart(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("WeCom"))
    inbox.start()
    inbox.post(named("First"))
    wait_until(lambda: told(robots, "WeCom", "First"), "the first is told")
    inbox.stop()
    with closing(sqlite3.connect(inbox.database)) as connection, connection:
        # Twenty messages, the oldest of which is 67 s old: three seconds are left.
        times = [time.time() - 67, *([time.time() - 5] * 19)]
        connection.execute("UPDATE pace SET times = ?", (json.dumps(times),))
    inbox.start()
    for name in ("Second", "Third"):
        inbox.post(named(name))
    wait_until(lambda: told(robots, "WeCom", "Third"), "the others are told")
    _, second = robots.seen("WeCom")
    assert second["at"] - times[0] >= 70
    # What had to wait is one message.
    assert "Second" in text_of(second["body"])


def test_a_refusal_is_shown_with_what_to_do_and_is_tried_again_once_the_line_is_changed(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(secret=RIGHT)
    write_targets(inbox, robots.line("DingTalk", "secret=SEC-is-wrong"))
    inbox.start()
    inbox.post(named("Slow"))
    wait_until(lambda: "310000: sign not match" in page(inbox).text, "the page shows the refusal")
    assert "Copy the robot's secret into secret= again" in page(inbox).text
    assert "加签密钥重新复制到 secret=" in page(inbox, language="zh").text
    assert "did not take a message (310000: sign not match): Copy the robot's secret" in inbox.log.read_text()
    assert sample(inbox, 'alert_inbox_messages_total{outcome="refused",target="DingTalk (line 1)"}') == 1
    assert sample(inbox, 'alert_inbox_target_refuses{target="DingTalk (line 1)"}') == 1
    assert len(robots.seen("DingTalk")) == 1
    write_targets(inbox, "# the right one", robots.line("DingTalk", f"secret={RIGHT}"))
    wait_until(lambda: told(robots, "DingTalk", "Slow") == 1, "it is sent after all")
    wait_until(lambda: "310000" not in page(inbox).text, "the page shows no refusal")
    assert "DingTalk (line 1): sent" in page(inbox).text
    assert sample(inbox, 'alert_inbox_target_refuses{target="DingTalk (line 2)"}') == 0


def test_others_are_told_of_a_target_that_gets_no_messages_and_it_is_not(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("DingTalk"), robots.line("Feishu"))
    inbox.start()
    deaf = [
        alert(DELIVERY_FAILING, labels={"alertname": DELIVERY_FAILING, "severity": "critical", "target": name})
        for name in ("DingTalk (line 1)", "Mail (line 3)")
    ]
    inbox.post(notification(deaf[0], groupKey="one"))
    wait_until(lambda: told(robots, "Feishu", DELIVERY_FAILING) == 1, "the other one is told")
    inbox.post(notification(*deaf, groupKey="both"))
    wait_until(lambda: told(robots, "DingTalk", DELIVERY_FAILING) == 1, "it is told of the third")
    assert text_of(robots.taken("DingTalk")).count("DingTalk (line 1)") == 0
    assert f"alert: {DELIVERY_FAILING}\n" in STACK_RULES.read_text(encoding="utf-8")


def test_sigterm_lets_the_message_on_its_way_arrive_and_be_noted(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(delay=1)
    write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    inbox.post(named("Slow"))
    wait_until(lambda: robots.seen("DingTalk"), "it is on its way")
    inbox.stop()
    inbox.start()
    inbox.post(named("Next"))
    wait_until(lambda: told(robots, "DingTalk", "Next"), "the next is told")
    assert told(robots, "DingTalk", "Slow") == 1


def test_a_line_that_is_changed_while_a_message_is_on_its_way_doubles_nothing(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(delay=2)
    write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    inbox.post(named("Slow"))
    wait_until(lambda: robots.seen("DingTalk"), "it is on its way")
    write_targets(inbox, robots.line("DingTalk", "language=en"))
    inbox.post(named("Next"))
    wait_until(lambda: "FIRING Next" in text_of(robots.taken("DingTalk")), "the next is told, in English")
    assert told(robots, "DingTalk", "Slow") == 1


def test_of_more_than_can_be_read_at_once_the_critical_is_told_first(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    robots.behave(away=True)
    write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    for number in range(3):
        about = alert(f"Long{number}", annotations={"description": "x" * 600_000})
        assert inbox.post(notification(about)).status == 200
    inbox.post(named("Burning", severity="critical"))
    wait_until(lambda: robots.seen("DingTalk"), "it was tried")
    inbox.stop()
    forget_pauses(inbox)
    robots.behave(away=False)
    inbox.start()
    names = ("Burning", "Long0", "Long1", "Long2")
    wait_until(lambda: all(told(robots, "DingTalk", name) for name in names), "all are told")
    assert [told(robots, "DingTalk", name) for name in names] == [1] * 4
    assert "Burning" in text_of(robots.taken("DingTalk")[0])


def test_a_line_that_goes_wrong_is_shown_and_the_others_go_on(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    write_targets(inbox, robots.line("DingTalk", "SEC-without-a-name"), robots.line("WeCom"))
    inbox.start()
    assert "line 1: word 2 is no option" in page(inbox).text
    assert "第 1 行：第 2 项不是选项" in page(inbox, language="zh").text
    assert sample(inbox, "alert_inbox_notify_file_faults") == 1
    inbox.post(named("Slow"))
    wait_until(lambda: told(robots, "WeCom", "Slow"), "the other line is used")
    write_targets(inbox, robots.line("Feishu"))
    wait_until(lambda: "line 1: word 2" not in page(inbox).text, "the file is read again")
    inbox.post(named("Next"))
    wait_until(lambda: told(robots, "Feishu", "Next"), "the new target is told")
    assert told(robots, "WeCom", "Next") == 0
    assert "SEC-without-a-name" not in inbox.log.read_text() + page(inbox).text


def test_what_waits_for_a_line_that_was_taken_out_waits_no_longer(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    robots.behave(away=True)
    write_targets(stopped_inbox, robots.line("DingTalk"))
    stopped_inbox.start()
    stopped_inbox.post(named("Slow"))
    wait_until(lambda: robots.seen("DingTalk"), "it was tried")
    write_targets(stopped_inbox, "# nobody")
    wait_until(lambda: "Its line was taken out of the file" in page(stopped_inbox).text, "the page says so")
    assert "DingTalk (line 1): refused" in page(stopped_inbox).text


def test_a_full_disk_lets_the_message_reach_the_chat_once(
    small_disk: Path,  # noqa: F811 - the fixture
    robots: RunningRobots,
    stopped_inbox: RunningInbox,
) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_DATABASE"] = str(small_disk / "inbox.sqlite3")
    inbox.database = small_disk / "inbox.sqlite3"
    write_targets(inbox, robots.line("DingTalk"))
    inbox.start()
    inbox.post(named("Before"))
    wait_until(lambda: told(robots, "DingTalk", "Before"), "the first is told")
    fill_up(small_disk / "ballast")
    for _ in range(3):
        # Alertmanager comes again, because nothing is stored.
        assert inbox.post(named("Meanwhile")).status == 503
    wait_until(lambda: told(robots, "DingTalk", "Meanwhile") == 1, "the second is told")
    assert text_of(robots.taken("DingTalk")).count("未记录：收件箱无法写入磁盘") == 1
    robots.behave(away=True)
    assert inbox.post(named("Later")).status == 503
    wait_until(lambda: not robots.seen("DingTalk")[-1]["taken"], "the third was tried")
    # Its beginning and its end both wait, and only the end is repeated.
    assert inbox.post(named("Short")).status == 503
    assert inbox.post(named("Short", "resolved")).status == 503
    (small_disk / "ballast").unlink()
    assert inbox.post(named("Meanwhile")).json()["stored"]
    # It has not left yet, so it goes over into the store, and outlives this process.
    assert inbox.post(named("Later")).json()["stored"]
    assert inbox.post(named("Short", "resolved")).json()["stored"]
    robots.behave(away=False)
    wait_until(lambda: told(robots, "DingTalk", "Short"), "both are told")
    assert "告警中 Short" in text_of(robots.taken("DingTalk"))
    wait_until(lambda: sample(inbox, 'alert_inbox_waiting_messages{target="DingTalk (line 1)"}') == 0, "none waits")
    inbox.stop(signal.SIGKILL)
    inbox.start()
    inbox.post(named("After"))
    wait_until(lambda: told(robots, "DingTalk", "After"), "the last is told")
    assert [told(robots, "DingTalk", name) for name in ("Before", "Meanwhile", "Later")] == [1, 1, 1]


def test_silence_and_its_end_are_told_by_the_inbox_itself_once_and_ends_meanwhile_are_unconfirmed(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_SILENCE_SECONDS"] = "4"
    write_targets(inbox, robots.line("DingTalk", "language=en from=critical at=13800000000"))
    inbox.start()
    bark(inbox)
    wait_until(lambda: told(robots, "DingTalk", "SILENT"), "the silence is told")
    (body,) = robots.taken("DingTalk")
    assert "@13800000000" in body["markdown"]["text"]
    inbox.post(named("Slow", "resolved", severity="critical"))
    wait_until(lambda: "OVER? (unconfirmed" in text_of(robots.taken("DingTalk")), "the end is told as unconfirmed")
    inbox.stop()
    inbox.start()
    wait_until(lambda: is_silent(inbox), "it is silent still")

    # Each reading of the file is one more look at the watchdog.
    def read_again(text: str) -> None:
        before = inbox.log.read_text().count("messages go to")
        write_targets(inbox, robots.line("DingTalk", "language=en from=critical"), text)
        wait_until(lambda: inbox.log.read_text().count("messages go to") > before, "it is read again")

    read_again("# once")
    read_again("# twice")
    bark(inbox)
    wait_until(lambda: told(robots, "DingTalk", "BACK"), "the end of the silence is told")
    assert [told(robots, "DingTalk", word) for word in ("SILENT", "BACK")] == [1, 1]
    assert "It was silent since 20" in text_of(robots.taken("DingTalk"))


def test_the_heartbeat_is_sent_only_while_all_is_well(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_HEARTBEAT_URL"] = f"{robots.url}/ping/token-of-the-monitor"
    write_targets(inbox, robots.line("DingTalk"))

    def outcome_of_first(prepare: Callable[[], None]) -> str:
        inbox.stop()
        prepare()
        inbox.start()
        outcomes = ("sent", "failed", "withheld")
        series = 'alert_inbox_heartbeats_total{{outcome="{}"}}'
        due = wait_until(
            lambda: next((one for one in outcomes if sample(inbox, series.format(one))), ""), "a heartbeat is due"
        )
        return str(due)

    def heard(ago: timedelta) -> None:
        with closing(sqlite3.connect(inbox.database)) as connection, connection:
            moment = (datetime.now(UTC) - ago).isoformat()
            connection.execute("INSERT OR REPLACE INTO watchdog VALUES (1, ?)", (moment,))

    assert outcome_of_first(lambda: None) == "withheld"
    assert "the watchdog is silent" in inbox.log.read_text()
    assert outcome_of_first(lambda: heard(timedelta(seconds=5))) == "sent"
    assert robots.taken("heartbeat") == ["/ping/token-of-the-monitor"]
    robots.behave(away=True)
    inbox.post(named("Slow"))
    wait_until(lambda: robots.seen("DingTalk"), "it was tried")
    assert outcome_of_first(lambda: make_older(inbox, timedelta(minutes=4))) == "sent"
    assert outcome_of_first(lambda: make_older(inbox, timedelta(minutes=6))) == "withheld"
    assert "a message waits for DingTalk (line 1)" in inbox.log.read_text()
    robots.behave(away=False, token="another")  # noqa: S106 - of the fake
    inbox.stop()
    forget_pauses(inbox)
    inbox.start()
    wait_until(lambda: "300001" in page(inbox).text, "it is refused")
    assert outcome_of_first(lambda: None) == "withheld"
    assert "DingTalk (line 1) refuses messages" in inbox.log.read_text()
    assert "token-of-the-monitor" not in inbox.log.read_text()


def notify_test(inbox: RunningInbox, locale: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "alert_inbox.notify_test"],
        env={**os.environ, **inbox.environment, "LC_ALL": locale},
        capture_output=True,
        encoding=locale.partition(".")[2],
        check=False,
        timeout=60,
    )


def test_notify_test_prints_one_line_a_target(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    file = write_targets(inbox, robots.line("DingTalk"), robots.line("Feishu"))
    inbox.start()
    ran = notify_test(inbox)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "DingTalk (line 1): sent\nFeishu (line 2): sent\n"
    assert "测试" in text_of(robots.taken("Feishu"))
    robots.behave(keyword="magic")
    write_targets(inbox, robots.line("DingTalk", "secret"), robots.line("Feishu"), robots.line("WeCom"))
    ran = notify_test(inbox)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"{file} line 1: word 2 is no option")
    feishu, wecom = ran.stdout.splitlines()
    assert feishu.startswith("Feishu (line 2): FAILED, 19024: Key Words Not Found. The robot demands a keyword")
    assert wecom == "WeCom (line 3): sent"
    ran = notify_test(inbox, "zh_CN.GB18030")
    assert ran.stderr.startswith(f"{file} 第 1 行：第 2 项不是选项")
    assert "失败, 19024: Key Words Not Found. 机器人设置了关键词" in ran.stdout
    assert ran.stdout.endswith("WeCom (line 3): 已发送\n")
    # The page knows it too, until a message is taken.
    assert "19024" in page(inbox).text
    write_targets(inbox, "# nobody")
    ran = notify_test(inbox)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "There is no target yet" in ran.stderr


def test_secrets_are_in_no_log_page_metric_or_process_list(robots: RunningRobots, stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    secret = "SEC-of-another-robot"  # noqa: S105 - of the fake
    telegram = f"tgram://123456789:{'A' * 35}/1234"
    slack = f"https://hooks.slack.com/services/T00000000/B00000000/{'X' * 24}"
    # Nobody listens there, so that each of them fails; Slack and Telegram by a proxy that isn't there.
    away = [f"http://127.0.0.1:9{robots.line(kind).removeprefix(robots.url)}" for kind in ("Feishu", "WeCom")]
    inbox.environment |= {"https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    robots.behave(secret=RIGHT)
    write_targets(inbox, robots.line("DingTalk", f"secret={secret}"), *away, telegram, slack, f"nothing://{secret}")
    inbox.start()
    inbox.post(named("Slow"))
    wait_until(lambda: inbox.log.read_text().count("did not take a message") >= 5, "all have failed")
    shown = [inbox.log.read_text(), inbox.get("/").text, inbox.get("/metrics").text, inbox.get("/healthz").text]
    shown += [inbox.get("/api/notifications").text, *(str(one) for one in notify_test(inbox).__dict__.values())]
    shown += [file.read_bytes().decode("utf-8", "replace") for file in Path("/proc").glob("[0-9]*/cmdline")]
    for text in (TOKEN, secret, "A" * 35, "X" * 24):
        assert [part for part in shown if text in part] == []
    assert "refused" in ENGLISH.deliveries.values()


# The long form: ALERT_INBOX_TEST_KILLS=20
KILLS = int(os.environ.get("ALERT_INBOX_TEST_KILLS", "5"))
MESSAGES = 10 * KILLS


def test_kills_while_messages_go_through_lose_none_and_double_at_most_one_each(
    robots: RunningRobots, stopped_inbox: RunningInbox
) -> None:
    inbox = stopped_inbox
    # The robot takes its time, so that kills fall between its answer and the inbox's note of it.
    robots.behave(delay=0.1)
    write_targets(inbox, robots.line("Feishu"))
    inbox.start()
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    posted: list[int] = []
    killed = threading.Event()

    def post_all() -> None:
        while len(posted) < MESSAGES:
            # As Alertmanager does: again, until it is answered with 200.
            try:
                if inbox.post(named(f"M{len(posted)}")).status == 200:
                    posted.append(len(posted))
            except OSError:
                killed.wait(0.05)
            killed.wait(0.1)

    sender = threading.Thread(target=post_all)
    sender.start()
    for _ in range(KILLS):
        killed.wait(chance.uniform(0.1, 1.2))
        inbox.stop(signal.SIGKILL)
        inbox.start()
    sender.join()
    wait_until(
        lambda: all(told(robots, "Feishu", f"M{number}") for number in range(MESSAGES)), "all are told", seconds=60
    )
    doubled, known = 0, set[str]()
    for body in robots.taken("Feishu"):
        names = set(re.findall(r"\bM\d+\b", text_of(body)))
        doubled += bool(names & known)
        known |= names
    print(f"kills: {KILLS}, news: {MESSAGES}, messages: {len(robots.taken('Feishu'))}, doubled: {doubled}")
    assert doubled <= KILLS
