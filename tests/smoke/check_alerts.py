"""Alertmanager, alert-inbox, and the path of an alert from one to the other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.smoke.check_gte_service import expect_page
from tests.smoke.exposition import Exposition
from tests.smoke.fixtures import Run
from tests.smoke.services import Deadline, Service

# Alertmanager waits group_wait for the first notification of a group, group_interval for the next.
DELIVERED_SECONDS = 60.0
# If the run is broken off, the alert ends by itself.
ALERT_LASTS = timedelta(minutes=3)
SUMMARY = "冒烟测试：仅为测试，无需处理"
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def alert_name(run: Run) -> str:
    """A name that no alert had before, and so a group of its own: an older one would wait for group_interval."""
    return f"SmokeTest-{run.word}"


def post_alert(alertmanager: Service, run: Run, ends: datetime) -> None:
    """Tell Alertmanager of the alert of this run."""
    alert = {
        "labels": {"alertname": alert_name(run), "severity": "warning", "source": "smoke-test"},
        "annotations": {"summary": SUMMARY},
        # Without a beginning Alertmanager takes the end for it, which lies in the future.
        "startsAt": datetime.fromtimestamp(run.began, UTC).isoformat(),
        "endsAt": ends.isoformat(),
    }
    alertmanager.post("/api/v2/alerts", [alert])


def notified(alert_inbox: Service, run: Run, status: str) -> Any:
    """The alert of this run as the inbox got it with this status."""
    path = f"/api/notifications?limit=50&alertname={alert_name(run)}"
    for notification in alert_inbox.get(path).json()["notifications"]:
        for alert in notification["alerts"]:
            if alert["labels"]["alertname"] == alert_name(run) and alert["status"] == status:
                return alert
    raise AssertionError(f"no notification of {alert_name(run)} with the status {status} in the inbox")


def configuration(alertmanager: Service) -> str:
    """Alertmanager's configuration, in YAML."""
    status = alertmanager.get("/api/v2/status").json()
    assert status["versionInfo"]["version"], "Alertmanager doesn't tell its version"
    return str(status["config"]["original"])


def longest_seconds(key: str, config: str, unset: float) -> float:
    """The longest duration that `key` has anywhere in a YAML text; `unset` where it isn't there."""
    found = re.findall(rf"\b{key}:\s*[\"']?((?:\d+(?:ms|[smhdwy]))+)", config)
    parts = [re.findall(r"(\d+)(ms|[smhdwy])", text) for text in found]
    return max((sum(int(count) * _UNITS[unit] for count, unit in part) for part in parts), default=unset)


@pytest.mark.within(10)
def test_is_ready(alertmanager: Service) -> None:
    alertmanager.get("/-/ready")


def test_has_its_configuration(alertmanager: Service) -> None:
    config = configuration(alertmanager)
    for part in ("route:", "receivers:", "webhook_configs:"):
        assert part in config, f"Alertmanager's configuration has no {part} {config[:120]!r}"


def test_has_loaded_its_configuration_without_error(alertmanager: Service) -> None:
    loaded = Exposition(alertmanager.get("/metrics").text).value("alertmanager_config_last_reload_successful")
    assert loaded == 1, "Alertmanager's last reload of its configuration failed"


@pytest.mark.within(10)
def test_answers_healthz(alert_inbox: Service) -> None:
    status = alert_inbox.get("/healthz").json()["status"]
    assert status == "ok", f"the status is {status!r} instead of 'ok'"


def test_answers_a_scrape(alert_inbox: Service) -> None:
    metrics = Exposition(alert_inbox.get("/metrics").text)
    metrics.value("alert_inbox_notifications_total", status="firing")
    metrics.value("alert_inbox_stored_notifications")


@pytest.mark.seconds(DELIVERED_SECONDS)
def test_gets_an_alert_that_is_posted_to_alertmanager(
    alert_inbox: Service, alertmanager: Service, run: Run, deadline: Deadline
) -> None:
    post_alert(alertmanager, run, datetime.now(UTC) + ALERT_LASTS)
    alert = deadline.until(lambda: notified(alert_inbox, run, "firing"))
    summary, severity = alert["annotations"]["summary"], alert["labels"]["severity"]
    assert summary == SUMMARY, f"the alert's summary came as {summary!r} instead of {SUMMARY!r}"
    assert severity == "warning", f"the alert's severity came as {severity!r} instead of 'warning'"
    begins = datetime.fromisoformat(alert["startsAt"])
    assert begins <= datetime.now(UTC), f"the alert begins at {begins}, which is in the future"
    # Ended at once: nobody should be troubled longer, and group_interval passes while other checks are made.
    post_alert(alertmanager, run, datetime.now(UTC))


def test_shows_that_alert_on_its_page(alert_inbox: Service, alertmanager: Service, run: Run) -> None:
    expect_page(alert_inbox.get("/", accept="text/html"), alert_name(run), SUMMARY)


@pytest.mark.last
@pytest.mark.seconds(DELIVERED_SECONDS)
def test_is_told_when_that_alert_ends(
    alert_inbox: Service, alertmanager: Service, run: Run, deadline: Deadline
) -> None:
    # Alertmanager tells the end only of what it has told the beginning of: without that, don't wait.
    notified(alert_inbox, run, "firing")
    longest = longest_seconds("group_interval", configuration(alertmanager), unset=300)
    if longest > DELIVERED_SECONDS - 10:
        pytest.skip(
            f"group_interval is up to {longest:g} s and this check waits {DELIVERED_SECONDS:g} s at most; "
            "the alert has ended all the same"
        )
    deadline.until(lambda: notified(alert_inbox, run, "resolved"))
