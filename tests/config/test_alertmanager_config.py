"""alertmanager.yml is valid and routes and mutes as intended, by the Alertmanager that compose.yaml names."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.config.containers import ROOT, DockerError, docker, image_of, needs_engine, wait_for
from tests.config.delivery import CONFIG, Delivery, Labels, alert, in_order, quick, running_delivery
from tests.config.promtool import RULES

pytestmark = needs_engine

STRICT = "--enable-feature=utf8-strict-mode"


# Each alert of the rules, once a severity, by the labels that the rules give it.
ALERTS: list[Labels] = [
    {"alertname": rule["alert"], **rule["labels"]}
    for path in RULES
    for group in yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
DOWN = {"alertname": "GTE_ServiceDown", "severity": "critical", "job": "gte-service"}


def amtool(config: Path, *arguments: str) -> str:
    """Run amtool in a container that has a configuration as /alertmanager.yml; returns its standard output."""
    container = ("--rm", "--network=none", f"--volume={config}:/alertmanager.yml:ro", "--entrypoint=amtool")
    return docker("run", *container, image_of("alertmanager"), *arguments)


def check(config: Path) -> str:
    return amtool(config, STRICT, "check-config", "/alertmanager.yml")


def test_the_configuration_is_valid_in_strict_mode() -> None:
    assert "3 receivers" in check(CONFIG)


def test_the_check_fails_for_a_matcher_that_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "alertmanager.yml"
    broken.write_text(CONFIG.read_text().replace('severity = "critical"', 'severity = "critical'))
    with pytest.raises(DockerError, match="expected label value"):
        check(broken)


def receivers(alerts: list[Labels]) -> list[str]:
    """The receiver of each alert, as amtool finds it."""
    test = "amtool config routes test --config.file=/alertmanager.yml"
    words = (" ".join(f"{name}={value}" for name, value in labels.items()) for labels in alerts)
    container = ("--rm", "--network=none", f"--volume={CONFIG}:/alertmanager.yml:ro", "--entrypoint=sh")
    script = " && ".join(f"{test} {labels}" for labels in words)
    return docker("run", *container, image_of("alertmanager"), "-c", script).splitlines()


def test_every_alert_of_the_rules_reaches_whom_its_severity_says() -> None:
    others = [{"alertname": "Any", "severity": severity} for severity in ("critical", "warning", "info", "none")]
    alerts = [*ALERTS, *others, {"alertname": "Watchdog", "severity": "none"}, {"alertname": "NoSeverity"}]
    by_severity = {"info": "nobody"}
    expected = [
        "watchdog" if labels["alertname"] == "Watchdog" else by_severity.get(labels.get("severity", ""), "alert-inbox")
        for labels in alerts
    ]
    assert receivers(alerts) == expected
    assert len(ALERTS) >= 8


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration with short waits."""
    config = tmp_path_factory.mktemp("hasty") / "alertmanager.yml"
    config.write_text(quick(CONFIG.read_text()))
    return config


@pytest.fixture(scope="module")
def shared(hasty: Path) -> Iterator[Delivery]:
    """One for the tests that look only at alerts with a label of their own, `test`."""
    with running_delivery(hasty) as started:
        yield started


@pytest.fixture
def delivery(hasty: Path) -> Iterator[Delivery]:
    """An Alertmanager that doesn't wait long, and an empty inbox."""
    with running_delivery(hasty) as started:
        yield started


def test_a_service_that_is_down_mutes_what_follows_from_it_and_nothing_else(shared: Delivery) -> None:
    vanished = {"alertname": "TargetVanished", "severity": "warning"}
    # A task for each severity, so that no alert mutes another of its name.
    rules = [
        labels | {"test": "down", "task_type": f"of-{labels['severity']}"}
        for labels in (*ALERTS, vanished)
        if labels["alertname"] != DOWN["alertname"]
    ]
    jobs = ("gte-service", "another-service", "node-exporter", "")
    posted = [labels | {"job": job} for labels in rules for job in jobs]
    # Alertmanager drops a label that is empty, and takes equal alerts for one.
    posted = [dict(pairs) for pairs in {tuple(sorted((n, v) for n, v in labels.items() if v)) for labels in posted}]
    shared.post(*(alert(labels) for labels in posted))
    wait_for("all alerts are active", lambda: shared.labels("active", test="down") == in_order(posted))
    follows = re.compile("GTE_.+|TargetDown|TargetVanished")
    muted = [
        labels for labels in posted if labels.get("job") == "gte-service" and follows.fullmatch(labels["alertname"])
    ]
    down = DOWN | {"test": "down"}
    shared.post(alert(down))
    wait_for("its own alerts are muted", lambda: shared.labels("inhibited", test="down") == in_order(muted))
    heard = [labels for labels in posted if labels not in muted]
    assert shared.labels("active", test="down") == in_order([down, *heard])


# The labels of a critical alert, those of a warning beside it, and whether the first mutes the second.
SEVERITIES = [
    ("same task", {"alertname": "Budget", "task_type": "qa"}, {"alertname": "Budget", "task_type": "qa"}, True),
    ("another task", {"alertname": "Budget", "task_type": "qa"}, {"alertname": "Budget", "task_type": "ner"}, False),
    ("no task", {"alertname": "Budget", "task_type": "qa"}, {"alertname": "Budget"}, False),
    # The trap: neither has a task, which Alertmanager counts as the same one.
    ("another alert", {"alertname": "RuleFailing"}, {"alertname": "ConfigReloadFailed"}, False),
    ("same disk", {"alertname": "Disk", "mountpoint": "/"}, {"alertname": "Disk", "mountpoint": "/"}, True),
    ("another disk", {"alertname": "Disk", "mountpoint": "/"}, {"alertname": "Disk", "mountpoint": "/data"}, False),
    ("another host", {"alertname": "Disk", "instance": "a"}, {"alertname": "Disk", "instance": "b"}, False),
    ("another job", {"alertname": "Budget", "job": "app"}, {"alertname": "Budget"}, False),
]


def test_critical_mutes_the_warning_of_the_same_alert_about_the_same_thing_and_no_other(shared: Delivery) -> None:
    posted: list[Labels] = []
    muted: list[Labels] = []
    for case, critical, warning, mutes in SEVERITIES:
        # A job of its own keeps each case from the others.
        own = {"test": "severity", "job": case}
        pair = [own | critical | {"severity": "critical"}, own | warning | {"severity": "warning"}]
        posted += [*pair, pair[1] | {"severity": "info"}]
        muted += pair[1:] if mutes else []
    shared.post(*(alert(labels) for labels in posted))
    wait_for("the warnings are muted", lambda: shared.labels("inhibited", test="severity") == in_order(muted))
    heard = [labels for labels in posted if labels not in muted]
    assert shared.labels("active", test="severity") == in_order(heard)


def test_eight_tasks_that_fail_together_are_one_message_and_another_service_is_another(delivery: Delivery) -> None:
    began = datetime.now(UTC)
    failing = {"alertname": "GTE_ErrorRateHigh", "severity": "critical"}
    tasks = [failing | {"job": "gte-service", "task_type": f"task-{number}"} for number in range(8)]
    other = failing | {"job": "another-service", "task_type": "task-0"}
    delivery.post(*(alert(labels, startsAt=began.isoformat()) for labels in (*tasks, other)))
    name = failing["alertname"]
    both = [("firing", [name]), ("firing", [name] * 8)]
    wait_for("both services are told of", lambda: sorted(delivery.told(), key=str) == sorted(both, key=str))
    delivery.post(*(alert(tasks[number], startsAt=began.isoformat(), endsAt=now()) for number in range(8)))
    wait_for("the end is told of", lambda: delivery.told()[2:] == [("resolved", [name] * 8)])


def test_info_tells_nobody_and_the_watchdog_is_heard_and_no_news(delivery: Delivery) -> None:
    delivery.post(alert({"alertname": "GTE_DemoModel", "severity": "info", "job": "gte-service"}))
    delivery.post(alert({"alertname": "Watchdog", "severity": "none", "job": "prometheus"}))
    heard = "alert_inbox_watchdog_heard_timestamp_seconds"
    wait_for("the watchdog is heard", lambda: delivery.metric(heard, inbox=True))
    # Posted last and told last: what came before it would be there.
    delivery.post(alert({"alertname": "Last", "severity": "warning", "job": "any"}))
    wait_for("a warning is told of", lambda: delivery.told() == [("firing", ["Last"])])
    assert len(delivery.labels("active")) == 3


def test_a_thousand_groups_at_once_are_each_stored_once_and_the_health_check_answers(delivery: Delivery) -> None:
    began = datetime.now(UTC).isoformat()
    burst = [alert({"alertname": f"Burst{number}", "severity": "warning"}, startsAt=began) for number in range(1000)]
    for start in range(0, 1000, 250):
        delivery.post(*burst[start : start + 250])
    waits = []

    def all_told() -> bool:
        asked = time.monotonic()
        delivery.ask("http://127.0.0.1:5001/healthz")
        waits.append(time.monotonic() - asked)
        return delivery.metric("alert_inbox_notifications_total", inbox=True) >= 1000

    wait_for("all are told of", all_told)
    # A flush of Alertmanager's later nothing is told twice.
    flushes = "alertmanager_nflog_queries_total"
    seen = delivery.metric(flushes)
    wait_for("each group is looked at again", lambda: delivery.metric(flushes) >= seen + 1000)
    assert sorted(delivery.told()) == sorted(("firing", [each["labels"]["alertname"]]) for each in burst)
    # Docker's own limit, and what it takes to ask in a container.
    assert max(waits) < 5


def now() -> str:
    """The time, as Prometheus writes it."""
    return datetime.now(UTC).isoformat()


def test_a_kill_at_any_moment_repeats_nothing_and_forgets_no_all_clear(delivery: Delivery) -> None:
    began = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    first, second, third = ({"alertname": name, "severity": "critical", "job": "any"} for name in "ABC")
    # Before it has told.
    delivery.post(alert(first, startsAt=began))
    delivery.kill()
    # Straight after it has told, and before it has written that down. Prometheus sends its alerts again, with the
    # figures of now.
    delivery.post(alert(first, startsAt=began))
    wait_for("the first is told of", lambda: delivery.told() == [("firing", ["A"])])
    delivery.kill()
    delivery.post(alert(first, startsAt=began) | {"annotations": {"summary": "another figure"}})
    delivery.post(alert(second, startsAt=began))
    wait_for("the second is told of", lambda: len(delivery.told()) > 1)
    assert delivery.told() == [("firing", ["A"]), ("firing", ["B"])]
    # After it has written down what it has told; the first ends meanwhile.
    written = "alertmanager_nflog_snapshot_duration_seconds_count"
    before = delivery.metric(written)
    wait_for("what is told is written down", lambda: delivery.metric(written) > before, seconds=30)
    delivery.kill()
    ended = now()
    delivery.post(alert(first, startsAt=began, endsAt=ended), alert(second, startsAt=began))
    wait_for("the all-clear is told", lambda: len(delivery.told()) > 2)
    # Straight after the all-clear. Prometheus sends it again for 15 minutes.
    delivery.kill()
    delivery.post(alert(first, startsAt=began, endsAt=ended), alert(second, startsAt=began))
    delivery.post(alert(third, startsAt=began))
    wait_for("the third is told of", lambda: len(delivery.told()) > 3)
    assert delivery.told() == [("firing", ["A"]), ("firing", ["B"]), ("resolved", ["A"]), ("firing", ["C"])]
