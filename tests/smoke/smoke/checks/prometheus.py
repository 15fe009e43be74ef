"""Checks what Prometheus scrapes, which rules it has, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from smoke.answers import at, require
from smoke.check import Check, Stack
from smoke.deadline import Deadline
from smoke.errors import CheckError
from smoke.prometheus_api import data, one_value

# A target that has just started is up after its first scrape, a rule healthy after its first evaluation.
SCRAPED_SECONDS = 20.0
EVALUATED_SECONDS = 45.0
# Job names are those of the services that they scrape.
JOBS = ("prometheus", "gte-service", "node-exporter", "alertmanager", "alert-inbox", "grafana")


def _ready(stack: Stack, deadline: Deadline) -> None:
    deadline.until(lambda: stack.at.prometheus.get("/-/ready", deadline).expect(200))


def _health(stack: Stack, deadline: Deadline) -> None:
    stack.at.prometheus.get("/-/healthy", deadline).expect(200)


def _targets(stack: Stack, deadline: Deadline) -> list[Any]:
    found = data(stack.at.prometheus, "/api/v1/targets?state=active", deadline)
    return at(found, "activeTargets", kind=list)


def _expect_up(targets: list[Any], began: float) -> None:
    for target in targets:
        health = at(target, "health", kind=str)
        url = at(target, "scrapeUrl", kind=str)
        error = at(target, "lastError", kind=str) or "not scraped yet"
        require(health == "up", f"{url} is {health}: {error}")
        # A target that died a moment ago is still up by its last scrape.
        scraped = at(target, "lastScrape", kind=str)
        require(datetime.fromisoformat(scraped).timestamp() >= began, f"{url} was up, but is not scraped any more")


def _target_up(job: str) -> Callable[[Stack, Deadline], None]:
    def check(stack: Stack, deadline: Deadline) -> None:
        def attempt() -> None:
            targets = [t for t in _targets(stack, deadline) if at(t, "labels", "job", kind=str) == job]
            require(bool(targets), f"no target of the job {job}")
            _expect_up(targets, stack.began)

        deadline.until(attempt)

    return check


def _others_up(stack: Stack, deadline: Deadline) -> None:
    def attempt() -> None:
        known = stack.left_out.union(JOBS)
        targets = [t for t in _targets(stack, deadline) if at(t, "labels", "job", kind=str) not in known]
        _expect_up(targets, stack.began)

    deadline.until(attempt)


def _rules(stack: Stack, deadline: Deadline) -> None:
    def attempt() -> None:
        groups = at(data(stack.at.prometheus, "/api/v1/rules", deadline), "groups", kind=list)
        require(bool(groups), "no rule group is loaded")
        for group in groups:
            name, rules = at(group, "name", kind=str), at(group, "rules", kind=list)
            require(bool(rules), f"the rule group {name} is empty")
            for rule in rules:
                _expect_evaluated(name, rule)

    deadline.until(attempt)


def _expect_evaluated(group: str, rule: Any) -> None:
    health = at(rule, "health", kind=str)
    if health != "ok":
        error = rule.get("lastError") or "not evaluated yet"
        raise CheckError(f"{group}: {at(rule, 'name', kind=str)} has the health {health}: {error}")


def _alerts_watch(metric: str) -> Callable[[Stack, Deadline], None]:
    def check(stack: Stack, deadline: Deadline) -> None:
        groups = at(data(stack.at.prometheus, "/api/v1/rules", deadline), "groups", kind=list)
        rules = [rule for group in groups for rule in at(group, "rules", kind=list)]
        watched = _names_that_come_from(metric, rules)
        alerts = [rule for rule in rules if at(rule, "type", kind=str) == "alerting"]
        found = any(name in at(alert, "query", kind=str) for alert in alerts for name in watched)
        require(found, f"none of the {len(alerts)} alerts watches {metric}")

    return check


def _names_that_come_from(metric: str, rules: list[Any]) -> set[str]:
    """A metric and the recording rules that are computed from it, also by way of others."""
    names = {metric}
    recordings = [rule for rule in rules if at(rule, "type", kind=str) == "recording"]
    for _ in recordings:
        names |= {
            at(rule, "name", kind=str)
            for rule in recordings
            if any(name in at(rule, "query", kind=str) for name in names)
        }
    return names


def _alertmanager_found(stack: Stack, deadline: Deadline) -> None:
    def attempt() -> None:
        found = data(stack.at.prometheus, "/api/v1/alertmanagers", deadline)
        active = at(found, "activeAlertmanagers", kind=list)
        require(bool(active), "Prometheus has found no Alertmanager")

    deadline.until(attempt)


def _stores_the_metrics(stack: Stack, deadline: Deadline) -> None:
    def attempt() -> None:
        value = one_value(stack.at.prometheus, 'max(gte_model_ready{job="gte-service"})', deadline)
        require(value == 1, f"gte_model_ready is {value:g} in Prometheus")

    deadline.until(attempt)


CHECKS = (
    Check("prometheus", "is ready", _ready),
    Check("prometheus", "is healthy", _health),
    *(
        Check(
            "prometheus",
            f"scrapes {job}",
            _target_up(job),
            SCRAPED_SECONDS,
            frozenset({job}) - {"prometheus"},
            f"docker compose logs {job}, and Status > Target health on Prometheus' page",
        )
        for job in JOBS
    ),
    Check(
        "prometheus",
        "has no other target that is down",
        _others_up,
        SCRAPED_SECONDS,
        look_at="Status > Target health on Prometheus' page",
    ),
    Check(
        "prometheus",
        "stores the metrics of gte-service",
        _stores_the_metrics,
        20.0,
        frozenset({"gte-service"}),
    ),
    Check("prometheus", "has rules and evaluates each of them", _rules, EVALUATED_SECONDS),
    Check("prometheus", "has an alert on the latency of a task", _alerts_watch("gte_task_latency_seconds")),
    Check("prometheus", "has an alert on the errors of a task", _alerts_watch("gte_task_requests_total")),
    Check("prometheus", "has found Alertmanager", _alertmanager_found, 20.0, frozenset({"alertmanager"})),
)
