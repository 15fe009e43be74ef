"""Parses the notifications of Alertmanager's webhook (version "4") and of Grafana's ("1").

Only the fields that the inbox uses are checked, and another version is taken as far as it is understood, because
Alertmanager never sends again what was refused.
"""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from alert_inbox.errors import InvalidPayload, PayloadTooLarge

STATUSES = ("firing", "resolved")
_VERSIONS: Final = ("4", "1")
UNREADABLE: Final = "NotificationUnreadable"
"""The alert, by its name, that the inbox makes of a notification of another version which it doesn't understand."""
# Alertmanager's word for the reason of a reminder.
_REPEATED = "repeat interval elapsed"

# Alertmanager never sends again what it was refused, so whatever it can send is taken. A body up to this size is read
# as it is, a longer one with every text cut to _LONGEST_TEXT bytes.
_WHOLE: Final = 1_048_576
_LONGEST_TEXT: Final = 2048
# A body whose texts are cut is read up to so many bytes: its objects cost some ten times as much memory.
_READABLE: Final = 8_388_608
# A notification is stored with at most so many characters of JSON, or one alert: 1,000 of the shipped rules.
_KEPT: Final = 2_097_152
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.S)
# Whole characters, and whole escapes: a pair of surrogates is one.
_UNITS = re.compile(
    rb"(?:[^\\]|\\u[dD][89abAB][\da-fA-F]{2}\\u[\da-fA-F]{4}|\\u(?![dD][89abAB])[\da-fA-F]{4}|\\[^u])*", re.S
)

Document = dict[str, Any]
T = TypeVar("T")

_KIND_NAMES = {
    str: "a string",
    dict: "an object",
    list: "a list",
    int: "a whole number",
    float: "a number with a fraction",
    bool: "true or false",
    type(None): "null",
}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Notification:
    """One notification: `document` is the JSON as received, with what may be missing filled in.

    The other fields are those that the inbox uses.
    """

    document: Document
    status: str
    receiver: str
    group_key: str
    truncated_alerts: int
    """How many alerts are left out: by Alertmanager (`max_alerts`), or because all would be too long."""
    whole_identity: str = field(default="", repr=False)
    """What `identity` returned before alerts were left out; empty where none were."""

    @classmethod
    def of(cls, document: Document) -> "Notification":
        """Wrap a document that has been checked: by `parse`, or before it was stored."""
        return cls(
            document=document,
            status=document["status"],
            receiver=document.get("receiver") or "",
            group_key=document.get("groupKey") or "",
            truncated_alerts=document.get("truncatedAlerts") or 0,
        )

    @property
    def alerts(self) -> list[Document]:
        """The alerts, in Alertmanager's own form."""
        alerts: list[Document] = self.document["alerts"]
        return alerts

    @property
    def alert_names(self) -> set[str]:
        """Every alert name that occurs."""
        return {alert["labels"].get("alertname", "") for alert in self.alerts}

    @property
    def evaluated_at(self) -> datetime | None:
        """When the rule of its firing alerts was evaluated last: their annotation, in Unix time; None without it."""
        texts = [(alert.get("annotations") or {}).get("evaluated_at", "") for alert in self.alerts if _fires(alert)]
        # No more digits than the years 1 to 9999 need.
        times = [float(text) for text in texts if re.fullmatch(r"\d{1,11}(\.\d+)?", text, re.ASCII)]
        return datetime.fromtimestamp(max(times), UTC) if times else None

    @property
    def is_reminder(self) -> bool:
        """Whether Alertmanager says on purpose what it has said before (`repeat_interval`)."""
        return self.document.get("notification_reason") == _REPEATED

    def identity(self) -> str:
        """Return what this notification tells, in one canonical form: two that tell the same are equal.

        The texts of alerts are left out, because a figure in them changes from one delivery to the next.
        """
        if self.whole_identity:
            return self.whole_identity
        told = sorted(json.dumps([a["labels"], a["status"], a["startsAt"]], sort_keys=True) for a in self.alerts)
        return json.dumps([self.receiver, self.truncated_alerts, told])

    def to_json(self) -> str:
        """Return the document in one canonical form: equal documents give equal texts."""
        return json.dumps(self.document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def parse(body: bytes) -> Notification:
    """Return the notification in `body`.

    Raises:
        InvalidPayload: The body is not JSON, or a field that the inbox needs is missing or of the wrong type.
        PayloadTooLarge: The body is too long even with its texts cut.
    """
    if len(body) > _WHOLE:
        body = _with_short_texts(body)
        if len(body) > _READABLE:
            raise PayloadTooLarge(
                f"the body has more than {_READABLE} bytes with its texts cut; lower max_alerts in alertmanager.yml"
            )
    document = _load(body)
    try:
        return _fitting(_checked(document))
    except InvalidPayload as error:
        version = document.get("version")
        if version is None or version in _VERSIONS:
            raise
        return Notification.of(_unreadable(document, error))


def _checked(document: Document) -> Notification:
    _optional(document, "", "receiver", str)
    _optional(document, "", "groupKey", str)
    _texts(document, "", "groupLabels")
    _optional(document, "", "notification_reason", str)
    truncated = _optional(document, "", "truncatedAlerts", int)
    if truncated is not None and not 0 <= truncated < 2**63:
        raise InvalidPayload(f"truncatedAlerts must be a count of alerts, got {_shown(truncated)}")
    alerts = _required(document, "", "alerts", list)
    if not alerts:
        raise InvalidPayload("alerts is empty; a notification is about at least one alert")
    for number, alert in enumerate(alerts):
        check_alert(alert, f"alerts[{number}]")
    if document.get("status") is None:
        document["status"] = "firing" if any(map(_fires, alerts)) else "resolved"
    _status(document, "")
    return Notification.of(document)


def _unreadable(document: Document, error: InvalidPayload) -> Document:
    """Return a notification that shows a document which can't be read as one."""
    version, text = _shown(document["version"]), json.dumps(document, ensure_ascii=False)
    alert = {
        "status": "firing",
        "labels": {"alertname": UNREADABLE, "severity": "warning"},
        "annotations": {
            "summary": f"A notification of the unknown version {version} came, and can't be read: {error}",
            "summary_zh": f"收到版本未知（{version}）的通知，无法解析：{error}",
            "description": text[:_LONGEST_TEXT] + "…" * (len(text) > _LONGEST_TEXT),
        },
        "startsAt": datetime.now(UTC).isoformat(),
    }
    return {"version": _VERSIONS[0], "status": "firing", "groupKey": UNREADABLE, "alerts": [alert]}


def parse_time(text: str) -> datetime:
    """Return the RFC 3339 time in `text`, in UTC; digits beyond the microsecond are cut.

    Raises:
        ValueError: The text is no RFC 3339 time, or outside the years 1 to 9999.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("not an RFC 3339 time")
    moment = datetime.fromisoformat(text.upper())
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error


def _with_short_texts(body: bytes) -> bytes:
    """Return JSON with each string cut, between its characters, that is too long."""
    short = bytearray()
    end = 0
    for text in _TEXT.finditer(body):
        if text.end() - text.start() > _LONGEST_TEXT:
            units = _UNITS.match(body, text.start() + 1, text.start() + _LONGEST_TEXT)
            kept = units[0].decode("utf-8", "ignore") if units else ""
            short += body[end : text.start()] + f'"{kept}…"'.encode()
            end = text.end()
    return bytes(short + body[end:])


def _fitting(whole: Notification) -> Notification:
    """Return a notification with as many alerts as can be kept: at least one, and those that fire first."""
    sizes = [len(json.dumps(alert, ensure_ascii=False)) for alert in whole.alerts]
    room, kept = _KEPT, set[int]()
    for place in sorted(range(len(sizes)), key=lambda place: not _fires(whole.alerts[place])):
        room -= sizes[place]
        if room < 0 and kept:
            break
        kept.add(place)
    left_out = len(sizes) - len(kept)
    if not left_out:
        return whole
    document = whole.document | {
        "alerts": [alert for place, alert in enumerate(whole.alerts) if place in kept],
        "truncatedAlerts": whole.truncated_alerts + left_out,
    }
    return replace(Notification.of(document), whole_identity=whole.identity())


def _fires(alert: Document) -> bool:
    return bool(alert["status"] == "firing")


def _load(body: bytes) -> Document:
    try:
        document = json.loads(body, parse_constant=_no_constant)
        # A lone surrogate is valid JSON and no valid text: it could be neither stored nor shown. And 1e999 is read as
        # infinity, which is no JSON: SQLite would refuse every query that looks into this notification.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeError as error:
        raise InvalidPayload("the body is not valid Unicode text", code="invalid_json") from error
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidPayload(f"the body is not JSON: {reason}", code="invalid_json") from error
    if not isinstance(document, dict):
        raise InvalidPayload(f"the body must be an object, got {_KIND_NAMES[type(document)]}")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def check_alert(alert: object, where: str) -> None:
    """Check one alert; `where` names it in the error.

    Raises:
        InvalidPayload: A field is missing or of the wrong type.
    """
    if not isinstance(alert, dict):
        raise InvalidPayload(f"{where} must be an object, got {_KIND_NAMES[type(alert)]}")
    _status(alert, where)
    _required(alert, where, "labels", dict)
    _texts(alert, where, "labels")
    _texts(alert, where, "annotations")
    _time(_required(alert, where, "startsAt", str), f"{where}.startsAt")
    ends_at = _optional(alert, where, "endsAt", str)
    if ends_at is not None:
        _time(ends_at, f"{where}.endsAt")
    _optional(alert, where, "generatorURL", str)
    _optional(alert, where, "fingerprint", str)


def _time(text: str, path: str) -> None:
    try:
        parse_time(text)
    except ValueError as error:
        raise InvalidPayload(
            f"{path} is {_shown(text)}: {error}; expected something like 2026-01-31T12:00:00Z"
        ) from error


def _status(document: Document, where: str) -> None:
    status = _required(document, where, "status", str)
    if status not in STATUSES:
        raise InvalidPayload(f"{_path(where, 'status')} is {_shown(status)}; it must be firing or resolved")


def _texts(document: Document, where: str, name: str) -> None:
    for key, value in (_optional(document, where, name, dict) or {}).items():
        if not isinstance(value, str):
            raise InvalidPayload(f"{_path(where, name)}.{key} must be a string, got {_KIND_NAMES[type(value)]}")


def _required(document: Document, where: str, name: str, kind: type[T]) -> T:
    value = _optional(document, where, name, kind)
    if value is None:
        raise InvalidPayload(f"{_path(where, name)} is missing; it must be {_KIND_NAMES[kind]}")
    return value


def _optional(document: Document, where: str, name: str, kind: type[T]) -> T | None:
    # Go writes an empty map or list as null.
    value = document.get(name)
    # Not isinstance: true is an int in Python.
    if value is not None and type(value) is not kind:
        raise InvalidPayload(f"{_path(where, name)} must be {_KIND_NAMES[kind]}, got {_KIND_NAMES[type(value)]}")
    return value


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
