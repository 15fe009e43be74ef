"""Checks Alertmanager, alert-inbox, and the way of an alert from one to the other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from smoke.answers import at, require, short
from smoke.check import Check, Stack
from smoke.deadline import Deadline
from smoke.errors import CheckError, LeftOutError
from smoke.exposition import Exposition

# Alertmanager waits group_wait for the first notification of a group, group_interval for the next.
DELIVERED_SECONDS = 60.0
# If the run is broken off, the alert ends by itself.
ALERT_LASTS = timedelta(minutes=3)
SUMMARY = "烟雾测试：只是一个测试，无需处理"
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def _alert_name(stack: Stack) -> str:
    # A name of its own makes a group of its own: a group that is already there would wait for group_interval.
    return f"SmokeTest-{stack.run}"


def _ready(stack: Stack, deadline: Deadline) -> None:
    deadline.until(lambda: stack.at.alertmanager.get("/-/ready", deadline).expect(200))


def _config(stack: Stack, deadline: Deadline) -> str:
    status = stack.at.alertmanager.get("/api/v2/status", deadline).expect(200).json()
    at(status, "versionInfo", "version", kind=str)
    return at(status, "config", "original", kind=str)


def _configured(stack: Stack, deadline: Deadline) -> None:
    config = _config(stack, deadline)
    for part in ("route:", "receivers:", "webhook_configs:"):
        require(part in config, f"Alertmanager's configuration has no {part} {config[:120]!r}")


def _metrics(stack: Stack, deadline: Deadline) -> None:
    metrics = Exposition(stack.at.alertmanager.get("/metrics", deadline).expect(200).text())
    loaded = metrics.one("alertmanager_config_last_reload_successful").value
    require(loaded == 1, "Alertmanager's last reload of its configuration failed")


def _inbox_health(stack: Stack, deadline: Deadline) -> None:
    answer = deadline.until(lambda: stack.at.alert_inbox.get("/healthz", deadline).expect(200)).json()
    require(at(answer, "status", kind=str) == "ok", f"/healthz says {short(answer)}")


def _inbox_metrics(stack: Stack, deadline: Deadline) -> None:
    metrics = Exposition(stack.at.alert_inbox.get("/metrics", deadline).expect(200).text())
    metrics.one("alert_inbox_notifications_total", status="firing")
    metrics.one("alert_inbox_stored_notifications")


def _notifications(stack: Stack, deadline: Deadline) -> list[Any]:
    path = f"/api/notifications?limit=50&alertname={quote(_alert_name(stack))}"
    answer = stack.at.alert_inbox.get(path, deadline).expect(200).json()
    return at(answer, "notifications", kind=list)


def _notified(stack: Stack, deadline: Deadline, status: str) -> Any:
    """The alert of this run as the inbox got it with this status; raises CheckError."""
    name = _alert_name(stack)
    for notification in _notifications(stack, deadline):
        for alert in at(notification, "alerts", kind=list):
            mine = at(alert, "labels", "alertname", kind=str) == name
            if mine and at(alert, "status", kind=str) == status:
                return alert
    raise CheckError(f"no notification of {name} with the status {status} in the inbox")


def _post_alert(stack: Stack, deadline: Deadline, ends: datetime) -> None:
    alert = {
        "labels": {"alertname": _alert_name(stack), "severity": "info", "source": "smoke-test"},
        "annotations": {"summary": SUMMARY},
        # Without a beginning Alertmanager takes the end for it, which lies in the future.
        "startsAt": datetime.fromtimestamp(stack.began, UTC).isoformat(),
        "endsAt": ends.isoformat(),
    }
    stack.at.alertmanager.post("/api/v2/alerts", [alert], deadline).expect(200)


def _fires(stack: Stack, deadline: Deadline) -> None:
    _post_alert(stack, deadline, datetime.now(UTC) + ALERT_LASTS)
    alert = deadline.until(lambda: _notified(stack, deadline, "firing"))
    summary = at(alert, "annotations", "summary", kind=str)
    require(summary == SUMMARY, f"the alert's summary came as {summary!r} instead of {SUMMARY!r}")
    severity = at(alert, "labels", "severity", kind=str)
    require(severity == "info", f"the alert's severity came as {severity!r} instead of 'info'")
    begins = datetime.fromisoformat(at(alert, "startsAt", kind=str))
    require(begins <= datetime.now(UTC), f"the alert is said to begin at {begins}, which is still to come")
    # Ended at once: nobody should be troubled longer, and group_interval passes while other checks are made.
    _post_alert(stack, deadline, datetime.now(UTC))


def _page(stack: Stack, deadline: Deadline) -> None:
    answer = stack.at.alert_inbox.get("/", deadline, accept="text/html").expect(200)
    kind = answer.headers.get("content-type", "")
    require(kind.startswith("text/html"), f"{answer.asked}: content type {kind!r} instead of text/html")
    page = answer.text()
    require(_alert_name(stack) in page, f"{answer.asked}: the page doesn't show {_alert_name(stack)}")
    require(SUMMARY in page, f"{answer.asked}: the page doesn't show the alert's summary")


def _resolves(stack: Stack, deadline: Deadline) -> None:
    # Alertmanager tells the end only of what it has told the beginning of: without that, don't wait.
    _notified(stack, deadline, "firing")
    longest = longest_duration("group_interval", _config(stack, deadline), unset=300)
    if longest > DELIVERED_SECONDS - 10:
        raise LeftOutError(
            f"group_interval is up to {longest:g} s and this check waits {DELIVERED_SECONDS:g} s at most; "
            "the alert has ended all the same"
        )
    deadline.until(lambda: _notified(stack, deadline, "resolved"))


def longest_duration(key: str, config: str, unset: float) -> float:
    """The longest duration in seconds that `key` has anywhere in a YAML text; `unset` when it isn't there."""
    found = re.findall(rf"\b{key}:\s*[\"']?((?:\d+(?:ms|[smhdwy]))+)", config)
    durations = [
        sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|[smhdwy])", text)) for text in found
    ]
    return max(durations, default=unset)


_ALERTMANAGER = frozenset({"alertmanager"})
_LOOK_AT = "docker compose logs alertmanager alert-inbox"
CHECKS = (
    Check("alertmanager", "is ready", _ready),
    Check("alertmanager", "has its configuration", _configured),
    Check("alertmanager", "has loaded its configuration without error", _metrics),
    Check("alert-inbox", "answers /healthz", _inbox_health),
    Check("alert-inbox", "answers a scrape", _inbox_metrics),
    Check(
        "alert-inbox",
        "gets an alert that is posted to Alertmanager",
        _fires,
        DELIVERED_SECONDS,
        _ALERTMANAGER,
        _LOOK_AT,
    ),
    Check("alert-inbox", "shows that alert on its page", _page, 10.0, _ALERTMANAGER),
)
# Made last: see _fires.
LATE_CHECKS = (
    Check("alert-inbox", "is told when that alert ends", _resolves, DELIVERED_SECONDS, _ALERTMANAGER, _LOOK_AT),
)
