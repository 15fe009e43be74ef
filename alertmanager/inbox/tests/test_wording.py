"""A message says on a lock screen what, where and since when, and whether it is over, in both languages."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from running_inbox import Json, alert, notification

from alert_inbox.language import WORDS
from alert_inbox.payload import Notification
from alert_inbox.targets import DINGTALK, Secret, Target
from alert_inbox.wording import Block, Message, News, Places, compose

SHANGHAI = Places(ZoneInfo("Asia/Shanghai"), "http://inbox.example:5001")
TEXTS = {
    "summary": "qa is slow: 12.5% of its answers",
    "summary_zh": "qa 变慢：12.5% 的应答过慢",
    "description": "More than 5 % took over 2 s.",
    "description_zh": "超过 5% 的应答耗时超过 2 秒。",
    "runbook_url": "http://inbox.example:5001/runbooks/GTE_TaskLatencyHigh",
    "dashboard_url": "javascript:alert(1)",
}


def target(language: str = "en", least: str = "warning") -> Target:
    words = {words.tag: words for words in WORDS}[language]
    return Target(DINGTALK, 1, Secret("https://x/robot/send"), Secret(""), ("all",), least, words, "")


def size(block: Block) -> int:
    return sum(len(line.encode()) for line in block.lines)


def about(name: str = "GTE_TaskLatencyHigh", status: str = "firing", severity: str = "warning", **more: Json) -> Json:
    labels = {"alertname": name, "severity": severity, "task_type": "qa", "job": "gte-service"}
    return alert(name, status, **{"labels": labels, "annotations": TEXTS, **more})


def news(*alerts: Json, ago: timedelta = timedelta(0), **more: Json) -> News:
    return News(datetime.now(UTC) - ago, Notification.of(notification(*alerts, **more)))


def written(*items: News, language: str = "en", budget: int = 10_000) -> Message:
    return compose(items, target(language), SHANGHAI, budget, size)[0]


@pytest.mark.parametrize(
    ("language", "status", "title"),
    [
        ("en", "firing", "FIRING 03-04 13:06 GTE_TaskLatencyHigh qa: qa is slow: 12.5% of its answers"),
        ("en", "resolved", "OVER 03-04 13:06–03-04 15:11 GTE_TaskLatencyHigh qa: qa is slow: 12.5% of its answers"),
        ("zh", "firing", "告警中 03-04 13:06 GTE_TaskLatencyHigh qa：qa 变慢：12.5% 的应答过慢"),
        ("zh", "resolved", "已恢复 03-04 13:06–03-04 15:11 GTE_TaskLatencyHigh qa：qa 变慢：12.5% 的应答过慢"),
    ],
)
def test_the_title_says_what_where_and_since_when(language: str, status: str, title: str) -> None:
    assert written(news(about(status=status)), language=language).title == title


def test_a_lock_screen_shows_state_start_name_and_task_of_an_alert_of_today() -> None:
    now = datetime.now(SHANGHAI.zone)
    title = written(news(about(startsAt=now.isoformat()))).title
    assert title[:40] == f"FIRING {now:%H:%M} GTE_TaskLatencyHigh qa: qa "


def test_the_message_has_times_with_offset_length_texts_and_only_safe_links() -> None:
    (block,) = written(news(about(status="resolved"))).blocks
    assert block.lines == (
        "OVER GTE_TaskLatencyHigh · qa · warning",
        TEXTS["summary"],
        "from 2026-03-04 13:06:07 +08:00 to 2026-03-04 15:11:07 +08:00, lasted 2 h 5 min",
        TEXTS["description"],
    )
    assert block.links == (("Runbook", TEXTS["runbook_url"]), ("Alert inbox", SHANGHAI.inbox_url))


def test_the_offset_is_that_of_the_day_where_clocks_change() -> None:
    berlin = Places(ZoneInfo("Europe/Berlin"), "")
    for start, shown in (("2026-01-15T12:00:00Z", "13:00:00 +01:00"), ("2026-07-15T12:00:00Z", "14:00:00 +02:00")):
        message, _ = compose([news(about(startsAt=start))], target(), berlin, 10_000, size)
        assert f"since {start[:10]} {shown}, for " in message.blocks[0].lines[2]


def test_several_alerts_are_counted_in_the_title_those_that_fire_first() -> None:
    alerts = [about(status="resolved"), about(), about("GTE_TaskStuck", severity="critical")]
    message = written(news(*alerts))
    assert message.title.startswith("FIRING 03-04 13:06 GTE_TaskStuck 3 alerts: qa")
    assert [block.lines[0].split(" · ")[0] for block in message.blocks] == [
        "FIRING GTE_TaskStuck",
        "FIRING GTE_TaskLatencyHigh",
        "OVER GTE_TaskLatencyHigh",
    ]


def test_a_reminder_and_an_unconfirmed_end_are_called_so() -> None:
    assert written(news(about(), notification_reason="repeat interval elapsed")).title.startswith("STILL FIRING ")
    ended = News(datetime.now(UTC), Notification.of(notification(about(status="resolved"))), unconfirmed=True)
    assert written(ended).title.startswith("OVER? (unconfirmed")
    assert written(ended, language="zh").title.startswith("疑似恢复（未确认")


def test_news_that_had_to_wait_says_from_when_it_is() -> None:
    assert "[news of" not in written(news(about(), ago=timedelta(minutes=4))).title
    assert written(news(about(), ago=timedelta(minutes=61))).title.startswith("[news of ")


def test_what_does_not_fit_waits_for_the_next_message_and_the_critical_goes_first() -> None:
    items = [news(about(f"N{number}")) for number in range(9)] + [news(about("Burning", severity="critical"))]
    message, told = compose(items, target(), SHANGHAI, 700, size)
    assert told[:2] == [9, 0]
    assert 2 < len(told) < 10
    assert len(message.blocks) == len(told)
    assert sum(map(size, message.blocks)) <= 700
    assert message.mention


def test_what_alertmanager_left_out_is_counted_too() -> None:
    assert written(news(about(), truncatedAlerts=900)).blocks[-1].lines == (
        "… and 900 more alerts: see the inbox or Alertmanager.",
    )
    assert " 901 alerts: qa" in written(news(about(), truncatedAlerts=900)).title


def test_a_huge_label_leaves_summary_and_start_in_the_message() -> None:
    huge = about(labels={"alertname": "Slow", "severity": "critical", "task_type": "🔥" * 5000})
    state, summary, since, *_ = written(news(huge), budget=3_000).blocks[0].lines
    assert state.startswith("FIRING Slow · 🔥🔥")
    assert summary == TEXTS["summary"]
    assert since.startswith("since 2026-03-04 13:06:07 +08:00")


@pytest.mark.parametrize("budget", range(60, 700, 40))
def test_a_message_never_outgrows_its_budget(budget: int) -> None:
    for labels in ({"alertname": "GTE_TaskLatencyHigh", "task_type": "embedding"}, {"alertname": "X"}):
        huge = alert(labels=labels, annotations={"summary": "🔥" * 5000, "description": "🔥" * 5000})
        message, told = compose([news(huge, about())], target(), SHANGHAI, budget, size)
        assert told == [0]
        assert sum(map(size, message.blocks)) <= max(budget, 130)


def test_news_that_was_queued_before_the_line_was_changed_is_told_all_the_same() -> None:
    message, _ = compose([news(about())], target(least="critical"), SHANGHAI, 10_000, size)
    assert message.title.startswith("FIRING")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("ends_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", None])
def test_times_at_the_ends_of_the_calendar_are_told_too(zone: str, ends_at: str | None) -> None:
    item = news(about(status="resolved", endsAt=ends_at, startsAt="9999-12-31T23:00:00Z"))
    message, _ = compose([item], target(), Places(ZoneInfo(zone), ""), 10_000, size)
    assert message.title.startswith("OVER ")


def test_a_title_is_one_line() -> None:
    texts = {"summary": "first\r\nBcc: everybody@example.com\tlast"}
    title = written(news(alert(annotations=texts))).title
    assert title.endswith(": first Bcc: everybody@example.com last")


def test_characters_that_hide_or_turn_others_are_left_out() -> None:
    odd = alert(labels={"alertname": "Sl\x00ow"}, annotations={"summary": "a\u202eb\x1b[31mc \u2067שלום\u2069"})
    message = written(news(odd))
    assert message.title.endswith(" Slow : ab[31mc שלום")
    assert message.blocks[0].lines[:2] == ("FIRING Slow", "ab[31mc שלום")


def test_what_follows_a_message_that_is_full_waits() -> None:
    items = [news(about(f"N{number}", severity="critical" if number else "warning")) for number in range(6)]
    for budget in range(400, 1500, 7):
        # A frame of 60 bytes around each block.
        message, told = compose(items, target(), SHANGHAI, budget, lambda block: size(block) + 60)
        assert sum(size(block) + 60 for block in message.blocks) <= budget
        assert told == sorted(told, key=lambda place: (place == 0, place))
