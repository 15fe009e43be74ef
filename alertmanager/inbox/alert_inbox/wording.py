"""Puts news into words for a chat: the first line says on a phone's lock screen what, where and since when."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from alert_inbox.grafana import figures
from alert_inbox.language import CHINESE, ENGLISH, Words
from alert_inbox.links import is_web_link
from alert_inbox.page import dashboard_of, duration, in_language
from alert_inbox.payload import Document, Notification, parse_time
from alert_inbox.targets import Target

DELIVERY_FAILING: Final = "InboxDeliveryFailing"
"""The alert, by its name in prometheus/rules, that a target gets no messages; its label `target` says which."""

# News that had to wait longer than this says from when it is.
_LATE: Final = timedelta(minutes=5)
# A message about more alerts than this gives each of them without its description.
_FEW: Final = 3
# Control characters, and marks that turn the direction of what follows.
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# The longest title, in bytes.
_TITLE: Final = 300


@dataclass(frozen=True)
class _ChatWords:
    firing: str
    over: str
    still: str
    unconfirmed: str
    lasts: str
    lasted: str
    alerts: str
    more: str
    late: str
    unrecorded: str
    inbox: str
    colon: str
    silent: str
    never_heard: str
    back: str
    heard: str
    test: str


_WORDS: Final = {
    ENGLISH.tag: _ChatWords(
        firing="FIRING",
        over="OVER",
        still="STILL FIRING",
        unconfirmed="OVER? (unconfirmed, monitoring is silent)",
        lasts="since {start}, for {duration}",
        lasted="from {start} to {end}, lasted {duration}",
        alerts="{count} alerts",
        more="… and {count} more alerts: see the inbox or Alertmanager.",
        late="[news of {time}]",
        unrecorded="Not recorded: the inbox can't write to its disk. Alertmanager may not tell when this is over.",
        inbox="Alert inbox",
        colon=": ",
        # The first line is the title.
        silent="SILENT since {time}: monitoring is not heard\nAlerts may be lost: check Prometheus and Alertmanager.",
        never_heard="SILENT: monitoring was never heard\nAlerts may be lost: check Prometheus and Alertmanager.",
        back="BACK: monitoring is heard again\nIt was silent since {time}.",
        heard="BACK: monitoring is heard\nIt had never been heard before.",
        test="TEST {time}\nThe alert inbox sends its messages here.",
    ),
    CHINESE.tag: _ChatWords(
        firing="告警中",
        over="已恢复",
        still="仍在告警",
        unconfirmed="疑似恢复（未确认，监控失联中）",
        lasts="{start} 开始，已持续 {duration}",
        lasted="{start} 至 {end}，持续 {duration}",
        alerts="{count} 条告警",
        more="……另有 {count} 条告警，请到收件箱或 Alertmanager 查看。",
        late="［{time} 的消息］",
        unrecorded="未记录：收件箱无法写入磁盘。此告警恢复时，Alertmanager 可能不再通知。",
        inbox="告警收件箱",
        colon="：",
        silent="监控失联：自 {time} 起没有心跳\n新的告警可能无法送达，请检查 Prometheus 和 Alertmanager。",
        never_heard="监控失联：从未收到心跳\n告警可能无法送达，请检查 Prometheus 和 Alertmanager。",
        back="监控恢复：重新收到心跳\n此前自 {time} 起失联。",
        heard="监控恢复：已收到心跳\n此前从未收到。",
        test="测试 {time}\n告警收件箱的消息将发到这里。",
    ),
}


@dataclass(frozen=True)
class News:
    """Something to tell: a notification, or else `text` as it is.

    `kind` is "" for a notification, "silent" or "back" for the watchdog, "mention" for a call to people, "test".
    """

    queued_at: datetime
    notification: Notification | None = None
    kind: str = ""
    since: datetime | None = None
    text: str = ""
    unconfirmed: bool = False
    unrecorded: bool = False
    """Whether the store could not take it. Alertmanager counts it as not told, and tells no end of such a one."""


@dataclass(frozen=True)
class Block:
    """What a message says of one alert."""

    lines: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Label and address."""


@dataclass(frozen=True)
class Message:
    """What a target is sent at once."""

    title: str
    blocks: tuple[Block, ...]
    mention: bool = False
    """Whether it calls the people that the target's line names."""
    only_mention: bool = False
    """Whether it does nothing else."""


@dataclass(frozen=True)
class Places:
    """What messages need to know of the inbox: its time zone, and its address for a browser (may be empty)."""

    zone: tzinfo
    inbox_url: str


def wanted(item: News, target: Target) -> list[Document]:
    """Return the alerts of news that a target wants: those that fire first, and of these the critical ones."""
    alerts = item.notification.alerts if item.notification else []
    found = [alert for alert in alerts if target.wants(_severity(alert)) and not _is_deafness(alert, target)]
    return sorted(found, key=lambda alert: (alert["status"] != "firing", _severity(alert) != "critical"))


def _is_deafness(alert: Document, target: Target) -> bool:
    """Whether an alert says that messages don't reach this target, which only others can be told."""
    return (alert["labels"].get("alertname"), alert["labels"].get("target")) == (DELIVERY_FAILING, target.name)


def _alerts(item: News, target: Target) -> list[Document]:
    """Return the alerts to tell of. Where the line has changed since the news was queued, that may be none it wants."""
    return wanted(item, target) or (item.notification.alerts if item.notification else [])


def rank(item: News, target: Target) -> int:
    """Return how urgent news is: 1 for critical alerts and news of our own, 0 for all other."""
    return int(bool(item.kind) or any(_severity(alert) == "critical" for alert in wanted(item, target)))


def compose(
    news: Sequence[News], target: Target, places: Places, budget: int, size: Callable[[Block], int]
) -> tuple[Message, list[int]]:
    """Return one message, and the places in `news` of what it tells: as much as fits, the urgent first.

    Args:
        news: what waits, oldest first; at least one.
        target: whom to tell: its language, its least severity, whom it mentions.
        places: time zone and address.
        budget: how many bytes the blocks of the message may have.
        size: the bytes of a block.
    """
    for place, item in enumerate(news):
        if item.kind == "mention":
            return Message(item.text, (), mention=True, only_mention=True), [place]
    writer = _Writer(target, places, datetime.now(UTC))
    brief = sum(len(_alerts(item, target)) for item in news) > _FEW
    told: list[int] = []
    blocks: list[Block] = []
    for place in sorted(range(len(news)), key=lambda place: -rank(news[place], target)):
        item = news[place]
        written = writer.blocks(item, brief)
        left_out = item.notification.truncated_alerts if item.notification else 0
        fitting, is_whole = _fitting(written, left_out, budget, size, writer.chat)
        # What doesn't fit beside the others waits for the next message; alone, it is cut.
        if told and not is_whole:
            break
        told.append(place)
        blocks += fitting
        budget -= sum(size(block) for block in fitting)
    chosen = [news[place] for place in told]
    if places.inbox_url:
        blocks[-1] = replace(blocks[-1], links=(*blocks[-1].links, (writer.chat.inbox, places.inbox_url)))
    calls = bool(target.mention) and any(item.kind == "silent" or _is_call(item, target) for item in chosen)
    return Message(cut(_one_line(writer.title(chosen)), _TITLE), tuple(blocks), mention=calls), told


def _fitting(
    blocks: list[Block], left_out: int, budget: int, size: Callable[[Block], int], chat: _ChatWords
) -> tuple[list[Block], bool]:
    """Return the blocks that fit and one that counts the others, and whether they all fit; the first is cut to fit."""

    def rest(count: int) -> list[Block]:
        return [Block((chat.more.format(count=count),))] if count else []

    room = budget - size(Block((chat.more.format(count=10**6),)))
    kept = 0
    for block in blocks:
        room -= size(block)
        if room < 0:
            break
        kept += 1
    if kept:
        return blocks[:kept] + rest(len(blocks) - kept + left_out), kept == len(blocks)
    first = blocks[0]
    # The longest line is cut, so that one huge label leaves summary and start in place. Of no line the last 20
    # characters are cut off, but the line itself may be: a robot's budget holds them many times.
    while size(first) > budget / 2:
        lines = list(first.lines)
        longest = max(range(len(lines)), key=lambda place: len(lines[place]))
        if len(lines[longest]) > 20:
            lines[longest] = f"{lines[longest][: len(lines[longest]) * 3 // 4]}…"
        elif len(lines) > 1:
            del lines[-1]
        else:
            break
        first = replace(first, lines=tuple(lines), links=())
    return [first, *rest(len(blocks) - 1 + left_out)], False


@dataclass(frozen=True)
class _Writer:
    """Writes for one target at one time."""

    target: Target
    places: Places
    now: datetime

    @property
    def chat(self) -> _ChatWords:
        return _WORDS[self.target.words.tag]

    def blocks(self, item: News, brief: bool) -> list[Block]:
        """Return a block for each alert that the target wants."""
        if item.notification is None:
            return [Block(tuple(self._event(item).splitlines()))]
        return [self._block(alert, item, brief) for alert in _alerts(item, self.target)]

    def title(self, news: Sequence[News]) -> str:
        """Return the line for the lock screen: `FIRING 14:05 GTE_TaskLatencyHigh embedding: P95 is 3.2 s`."""
        item = news[0]
        if item.notification is None:
            return self._event(item).splitlines()[0]
        alert = _alerts(item, self.target)[0]
        alerts = [alert for item in news for alert in _alerts(item, self.target)]
        start, ended = self._short(parse_time(alert["startsAt"])), _end(alert)
        times = f"{start}–{self._short(ended)}" if ended else start
        text = f"{self._late(item)}{self._state(alert, item)} {times} {_name(alert, self.target.words)}"
        count = len(alerts) + sum(item.notification.truncated_alerts for item in news if item.notification)
        if count > 1:
            where = ", ".join(filter(None, dict.fromkeys(map(_where, alerts))))
            return f"{text} {self.chat.alerts.format(count=count)}{self.chat.colon}{where}"
        summary = self._annotation(alert, "summary") or figures(alert)
        return f"{text} {_where(alert)}{self.chat.colon if summary else ''}{summary}"

    def _block(self, alert: Document, item: News, brief: bool) -> Block:
        words, severity = self.target.words, _severity(alert)
        about = (_name(alert, words), _where(alert), words.severities.get(severity, severity))
        lines = [
            f"{self._late(item)}{self._state(alert, item)} {' · '.join(filter(None, about))}",
            self._annotation(alert, "summary"),
            figures(alert),
            self._when(alert),
            "" if brief else self._annotation(alert, "description"),
            self.chat.unrecorded if item.unrecorded else "",
        ]
        annotations = alert.get("annotations") or {}
        addresses = [(words.runbook, annotations.get("runbook_url", "")), (words.dashboard, dashboard_of(alert))]
        return Block(
            tuple(filter(None, map(_one_line, lines))),
            tuple((label, address) for label, address in addresses if is_web_link(address)),
        )

    def _annotation(self, alert: Document, name: str) -> str:
        return in_language(alert.get("annotations") or {}, name, self.target.words)

    def _state(self, alert: Document, item: News) -> str:
        if alert["status"] == "firing":
            return self.chat.still if item.notification and item.notification.is_reminder else self.chat.firing
        return self.chat.unconfirmed if item.unconfirmed else self.chat.over

    def _late(self, item: News) -> str:
        is_late = self.now - item.queued_at >= _LATE
        return self.chat.late.format(time=self._short(item.queued_at)) + " " if is_late else ""

    def _event(self, item: News) -> str:
        texts = {
            "silent": self.chat.silent if item.since else self.chat.never_heard,
            "back": self.chat.back if item.since else self.chat.heard,
            "test": self.chat.test,
        }
        return self._late(item) + texts[item.kind].format(time=self._long(item.since) if item.since else "")

    def _when(self, alert: Document) -> str:
        """Return start, length and, if it is over, end."""
        started, ended = parse_time(alert["startsAt"]), _end(alert)
        length = duration((ended or self.now) - started, self.target.words)
        if ended is None:
            return self.chat.lasts.format(start=self._long(started), duration=length)
        return self.chat.lasted.format(start=self._long(started), end=self._long(ended), duration=length)

    def _long(self, moment: datetime) -> str:
        """Return a local time with its offset from UTC: `2026-03-04 13:06:07 +08:00`."""
        text = f"{self._local(moment):%Y-%m-%d %H:%M:%S %z}"
        return f"{text[:-2]}:{text[-2:]}"

    def _short(self, moment: datetime) -> str:
        """Return a local time, with its day if that isn't today."""
        local = self._local(moment)
        is_today = local.date() == self.now.astimezone(self.places.zone).date()
        return f"{local:%H:%M}" if is_today else f"{local:%m-%d %H:%M}"

    def _local(self, moment: datetime) -> datetime:
        try:
            return moment.astimezone(self.places.zone)
        except OverflowError:
            # In the first or the last hours of the calendar.
            return moment


def _one_line(text: str) -> str:
    """Return a text on one line, without what can't be seen and turns or garbles what can."""
    return _UNSEEN.sub("", " ".join(text.split()))


def _severity(alert: Document) -> str:
    return str(alert["labels"].get("severity", ""))


def _is_call(item: News, target: Target) -> bool:
    return any(_severity(alert) == "critical" and alert["status"] == "firing" for alert in _alerts(item, target))


def _name(alert: Document, words: Words) -> str:
    return str(alert["labels"].get("alertname") or words.no_name)


def _where(alert: Document) -> str:
    labels = alert["labels"]
    names = ("task_type", "mountpoint", "instance", "job")
    return str(next((labels[name] for name in names if labels.get(name)), ""))


def _end(alert: Document) -> datetime | None:
    return None if alert["status"] == "firing" or not alert.get("endsAt") else parse_time(alert["endsAt"])


def cut(text: str, size: int) -> str:
    """Return as much of the text as has `size` bytes in UTF-8, cut between characters."""
    data = text.encode()
    return text if len(data) <= size else data[: size - 3].decode("utf-8", "ignore") + "…"
