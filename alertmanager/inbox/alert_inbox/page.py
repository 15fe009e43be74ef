"""Makes the view of a stored notification for the page's template: texts, times, and links that are safe to follow."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from alert_inbox import grafana
from alert_inbox.firing import FiringNow
from alert_inbox.language import ANNOTATION_ENDINGS, Words
from alert_inbox.links import dashboard_link, is_web_link, silence_link
from alert_inbox.payload import Document, parse_time
from alert_inbox.store import Query, Stored

# The page shows these in places of their own, so the lists of labels and annotations leave them out.
_OWN_PLACE = frozenset({"alertname", "severity", "runbook", "runbook_url", "dashboard_url"})
_TRANSLATED = ("summary", "description")
# How many alerts of one notification are shown: the page of a thousand costs 100 MB while it is made.
_SHOWN = 50


@dataclass(frozen=True)
class Link:
    """An address from an alert; where `safe` is False it is shown as text."""

    label: str
    address: str
    safe: bool


@dataclass(frozen=True)
class Moment:
    """A time for the page: `text` in UTC, which the page's script replaces by the reader's own zone."""

    iso: str
    text: str


@dataclass(frozen=True)
class AlertView:
    """One alert as the page shows it."""

    firing: bool
    name: str
    severity: str
    severity_text: str
    summary: str
    description: str
    figures: str
    """Of Grafana's queries; empty for an alert of Alertmanager, whose texts have them."""
    labels: list[tuple[str, str]]
    annotations: list[tuple[str, str]]
    started: Moment
    ended: Moment | None
    lasted: str
    links: list[Link]
    id: str = ""
    """Of its details on the page, where they are folded."""
    unconfirmed: bool = False
    """Whether it is over only because monitoring was silent."""
    muted: str = ""
    """In words, why Alertmanager tells nobody of it; empty if it does."""


@dataclass(frozen=True)
class NotificationView:
    """One notification as the page shows it."""

    id: int
    firing: bool
    unconfirmed: bool
    received: Moment
    receiver: str
    group: list[tuple[str, str]]
    count_text: str
    truncated: int
    alerts: list[AlertView]
    """Those that still fire first."""


def view(stored: Stored, words: Words, alertmanager_url: str) -> NotificationView:
    """Return the view of one stored notification."""
    notification = stored.notification
    alerts = sorted(notification.alerts, key=lambda alert: alert["status"] != "firing")
    return NotificationView(
        id=stored.id,
        firing=notification.status == "firing",
        unconfirmed=stored.unconfirmed,
        received=moment_of(stored.received_at),
        receiver=notification.receiver,
        group=sorted((notification.document.get("groupLabels") or {}).items()),
        count_text=_count(alerts, words),
        truncated=notification.truncated_alerts + len(alerts[_SHOWN:]),
        alerts=[
            replace(_alert(alert, words, alertmanager_url), unconfirmed=stored.unconfirmed) for alert in alerts[:_SHOWN]
        ],
    )


def view_firing(now: FiringNow, query: Query, words: Words, alertmanager_url: str) -> tuple[list[AlertView], int]:
    """Return the alerts that fire and that the query takes, and how many more there are; critical and latest first."""
    found = [one for one in now.alerts if query.takes(one.document["labels"])]
    found.sort(key=lambda one: str(one.document["startsAt"]), reverse=True)
    found.sort(key=lambda one: (bool(one.muted), one.document["labels"].get("severity") != "critical"))
    shown = [
        replace(
            _alert(one.document, words, alertmanager_url),
            unconfirmed=one.unconfirmed,
            muted=words.muted.get(one.muted, ""),
            id=f"f{one.document['fingerprint']}",
        )
        for one in found[:_SHOWN]
    ]
    return shown, len(found[_SHOWN:])


def _count(alerts: list[Document], words: Words) -> str:
    firing = sum(alert["status"] == "firing" for alert in alerts)
    if 0 < firing < len(alerts):
        return words.alerts_mixed.format(firing=firing, resolved=len(alerts) - firing)
    return words.alerts_one if len(alerts) == 1 else words.alerts_many.format(count=len(alerts))


def _alert(alert: Document, words: Words, alertmanager_url: str) -> AlertView:
    labels: dict[str, str] = alert["labels"]
    annotations: dict[str, str] = alert.get("annotations") or {}
    firing = alert["status"] == "firing"
    started = parse_time(alert["startsAt"])
    # While an alert fires Alertmanager sends the year 1 as its end.
    ended = None if firing or not alert.get("endsAt") else parse_time(alert["endsAt"])
    severity = labels.get("severity", "")
    is_grafanas = grafana.is_grafanas(alert)
    silence = grafana.silence_url(alert) if is_grafanas else silence_link(alertmanager_url, labels)
    links = [
        _link(words.runbook, annotations.get("runbook_url") or annotations.get("runbook", "")),
        _link(words.dashboard, dashboard_link(dashboard_of(alert), started, ended, words.dashboard_ending)),
        _link(words.source_grafana if is_grafanas else words.source, alert.get("generatorURL") or ""),
        _link(words.silence, silence if firing else ""),
    ]
    return AlertView(
        firing=firing,
        name=labels.get("alertname") or words.no_name,
        severity=severity,
        severity_text=words.severities.get(severity, severity),
        summary=in_language(annotations, "summary", words),
        description=in_language(annotations, "description", words),
        figures=grafana.figures(alert),
        labels=_rest(labels),
        annotations=_rest(annotations),
        started=moment_of(started),
        ended=moment_of(ended) if ended else None,
        lasted=duration(ended - started, words) if ended else "",
        links=[link for link in links if link.address],
    )


def in_language(annotations: dict[str, str], name: str, words: Words) -> str:
    """Return the annotation in the reader's language where the rule has one, else the plain one."""
    return annotations.get(name + words.annotation_ending) or annotations.get(name, "")


def dashboard_of(alert: Document) -> str:
    """Return the address of the alert's dashboard: the rule's own, else the panel that Grafana names; or nothing."""
    return (alert.get("annotations") or {}).get("dashboard_url") or grafana.dashboard_url(alert)


def _rest(pairs: dict[str, str]) -> list[tuple[str, str]]:
    shown = _OWN_PLACE.union(name + ending for name in _TRANSLATED for ending in ANNOTATION_ENDINGS)
    return sorted((name, value) for name, value in pairs.items() if name not in shown)


def _link(label: str, address: str) -> Link:
    return Link(label, address, is_web_link(address))


def moment_of(moment: datetime) -> Moment:
    """Return a time for the page."""
    utc = moment.astimezone(UTC)
    return Moment(iso=utc.isoformat(timespec="milliseconds"), text=f"{utc:%Y-%m-%d %H:%M:%S}")


def duration(duration: timedelta, words: Words) -> str:
    """Return the two largest units of a duration: `2 h 5 min`."""
    seconds = max(0, round(duration.total_seconds()))
    parts = [
        (seconds // 86400, words.days),
        (seconds // 3600 % 24, words.hours),
        (seconds // 60 % 60, words.minutes),
        (seconds % 60, words.seconds),
    ]
    first = next((index for index, (number, _) in enumerate(parts) if number), len(parts) - 1)
    shown = parts[first : first + 2]
    return " ".join(f"{number} {unit}" for number, unit in shown if number or len(shown) == 1)
