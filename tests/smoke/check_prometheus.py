"""What Prometheus scrapes, which rules it has, whom it tells, and that it sees each request exactly once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.smoke.check_gte_service import PREDICTION_SECONDS, TEXT
from tests.smoke.exposition import series
from tests.smoke.fixtures import NAMES, UNSCRAPED, Run
from tests.smoke.services import Deadline, Service

# A target that has just started is up after its first scrape, a rule healthy after its first evaluation.
SCRAPED_SECONDS = 20.0
EVALUATED_SECONDS = 45.0
# Two scrapes and the request between them, with room for a scrape that is late.
COUNTED_SECONDS = 25.0 + PREDICTION_SECONDS
# The service may count a request a moment after it has answered it.
COUNTED_LATE_SECONDS = 0.5
# Of the replicas that are scraped now: Prometheus shows a series for 5 minutes after its target has gone.
SCRAPED = 'gte_task_requests_total{job="gte-service", instance=~`REPLICAS`}'
COUNTERS = (
    "sum by (__name__, task_type, status, reason) "
    '({__name__=~"gte_task_(requests_total|errors_total|latency_seconds_count)", job="gte-service", '
    "instance=~`REPLICAS`})"
)
WATCHED = {"latency": "gte_task_latency_seconds", "errors": "gte_task_requests_total"}
TARGETS_PAGE = "Status > Target health on Prometheus' page"

# Values by series, written as PromQL writes them.
Reading = Mapping[str, float]


def data(prometheus: Service, path: str) -> Any:
    """What an answer of Prometheus' API holds."""
    return prometheus.get(path).json()["data"]


def query(prometheus: Service, expression: str, time: float | None = None) -> Reading:
    """The result of an instant query."""
    at_time = {} if time is None else {"time": f"{time:.3f}"}
    found = data(prometheus, f"/api/v1/query?{urlencode({'query': expression, **at_time})}")
    assert found["resultType"] == "vector", f"{expression} gives a {found['resultType']} instead of a vector"
    results = [(dict(result["metric"]), float(result["value"][1])) for result in found["result"]]
    return {series(labels.pop("__name__", ""), labels): value for labels, value in results}


def one_value(prometheus: Service, expression: str, time: float | None = None) -> float:
    """The value of a query that gives one series."""
    values = list(query(prometheus, expression, time).values())
    assert len(values) == 1, f"{expression} gives {len(values)} series instead of 1"
    return values[0]


def clock(prometheus: Service) -> float:
    """The time now by Prometheus' own clock, with which it stamps its samples."""
    return one_value(prometheus, "vector(time())")


def read_counters(prometheus: Service, moment: float) -> Reading:
    """The service's counters, once every replica has been scraped after `moment`.

    Replicas are scraped at different times: only when the oldest sample is young enough does a sum over them hold
    all that has happened before.
    """
    now = clock(prometheus)
    replicas = [target["labels"]["instance"] for target in targets(prometheus, jobs=["gte-service"])]
    scraped, counters = (text.replace("REPLICAS", "|".join(map(re.escape, replicas))) for text in (SCRAPED, COUNTERS))
    # Time stamps first: a scrape between the two queries makes the values younger than it says, never older.
    times = query(prometheus, f"min by (instance) (timestamp({scraped}))", now)
    assert len(times) == len(replicas), f"{len(times)} of the {len(replicas)} replicas of gte-service are scraped"
    oldest = min(times.values(), default=0.0)
    assert oldest > moment, f"the last scrape of {scraped} was {moment - oldest:.1f} s too early; is its target up?"
    return query(prometheus, counters, now)


def expect_rise(prometheus: Service, deadline: Deadline, request: Callable[[], object], expected: Reading) -> None:
    """Send a request, and expect exactly these counters to rise by so much, and no other to change."""
    settled = clock(prometheus) + COUNTED_LATE_SECONDS
    before = deadline.until(lambda: read_counters(prometheus, settled))
    request()
    sent = clock(prometheus)

    def attempt() -> None:
        after = read_counters(prometheus, sent)
        rises = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in {*before, *after}}
        # What more time can't put right ends the polling.
        others = {name: rise for name, rise in rises.items() if not 0 <= rise <= expected.get(name, 0)}
        if others:
            cause = (
                "A counter went back: a process of the service was started anew, or a replica has gone"
                if any(rise < 0 for rise in others.values())
                else "Other traffic was seen, or the service counts wrongly: run again without other traffic"
            )
            pytest.fail(f"{cause}. Unexpected: {listing(others)}; expected: {listing(expected)}")
        lacks = {name: rise - rises.get(name, 0) for name, rise in expected.items() if rise > rises.get(name, 0)}
        assert not lacks, f"expected {listing(expected)}; still lacks {listing(lacks)}"

    deadline.until(attempt)


def listing(reading: Reading) -> str:
    """A reading as one line: `a +1, b +2`."""
    return ", ".join(f"{name} {rise:+g}" for name, rise in sorted(reading.items()))


@pytest.mark.within(10)
def test_is_ready(prometheus: Service) -> None:
    prometheus.get("/-/ready")


def test_is_healthy(prometheus: Service) -> None:
    prometheus.get("/-/healthy")


def expect_up(targets: list[Any], run: Run) -> None:
    """Targets that were up at a scrape during this run."""
    for target in targets:
        url, error = target["scrapeUrl"], target["lastError"] or "not scraped yet"
        assert target["health"] == "up", f"{url} is {target['health']}: {error}"
        # A target that died a moment ago is still up by its last scrape.
        scraped = datetime.fromisoformat(target["lastScrape"]).timestamp()
        assert scraped >= run.began, f"{url} was up, but is not scraped any more"


def targets(prometheus: Service, *, other: bool = False, jobs: Sequence[str] = NAMES) -> list[Any]:
    """The targets of these jobs, or those of all other jobs."""
    found = data(prometheus, "/api/v1/targets?state=active")["activeTargets"]
    return [target for target in found if (target["labels"]["job"] in jobs) is not other]


# Job names are those of the services that they scrape.
@pytest.mark.within(SCRAPED_SECONDS)
@pytest.mark.look_at(f"docker compose logs {{job}}, and {TARGETS_PAGE}")
@pytest.mark.parametrize("job", [name for name in NAMES if name not in UNSCRAPED])
def test_scrapes(prometheus: Service, job: str, run: Run) -> None:
    found = targets(prometheus, jobs=[job])
    assert found, f"no target of the job {job}"
    expect_up(found, run)


@pytest.mark.within(SCRAPED_SECONDS)
@pytest.mark.look_at(TARGETS_PAGE)
def test_has_no_other_target_that_is_down(prometheus: Service, run: Run) -> None:
    expect_up(targets(prometheus, other=True), run)


@pytest.mark.within(SCRAPED_SECONDS)
def test_stores_the_metrics_of_gte_service(prometheus: Service, gte: Service) -> None:
    value = one_value(prometheus, 'max(gte_model_ready{job="gte-service"})')
    assert value == 1, f"gte_model_ready is {value:g} in Prometheus"


@pytest.mark.within(EVALUATED_SECONDS)
def test_has_rules_and_evaluates_each_of_them(prometheus: Service) -> None:
    groups = data(prometheus, "/api/v1/rules")["groups"]
    assert groups, "no rule group is loaded"
    for group in groups:
        assert group["rules"], f"the rule group {group['name']} is empty"
        for rule in group["rules"]:
            error = rule.get("lastError") or "not evaluated yet"
            assert rule["health"] == "ok", f"{group['name']}: {rule['name']} has the health {rule['health']}: {error}"


@pytest.mark.parametrize("figure", WATCHED)
def test_has_an_alert_on_task(prometheus: Service, figure: str) -> None:
    metric = WATCHED[figure]
    rules = [rule for group in data(prometheus, "/api/v1/rules")["groups"] for rule in group["rules"]]
    recordings = [rule for rule in rules if rule["type"] == "recording"]
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    # The metric, and what recording rules make of it, also by way of others.
    names = {metric}
    for _ in recordings:
        names |= {rule["name"] for rule in recordings if any(name in rule["query"] for name in names)}
    watched = any(name in alert["query"] for alert in alerts for name in names)
    assert watched, f"none of the {len(alerts)} alerts watches {metric}"


@pytest.mark.within(SCRAPED_SECONDS)
def test_has_found_alertmanager(prometheus: Service, alertmanager: Service) -> None:
    assert data(prometheus, "/api/v1/alertmanagers")["activeAlertmanagers"], "Prometheus has found no Alertmanager"


@pytest.mark.seconds(COUNTED_SECONDS)
def test_sees_an_embedding_raise_exactly_its_own_counters(
    prometheus: Service, gte: Service, deadline: Deadline
) -> None:
    expect_rise(
        prometheus,
        deadline,
        lambda: gte.post("/predict", {"task_type": "embedding", "input_text": TEXT}),
        {
            'gte_task_requests_total{status="success",task_type="embedding"}': 1,
            'gte_task_latency_seconds_count{task_type="embedding"}': 1,
        },
    )


@pytest.mark.seconds(COUNTED_SECONDS)
def test_sees_an_unknown_task_counted_as_unknown_and_nowhere_else(
    prometheus: Service, gte: Service, run: Run, deadline: Deadline
) -> None:
    expect_rise(
        prometheus,
        deadline,
        lambda: gte.post("/predict", {"task_type": f"smoke-{run.word}", "input_text": TEXT}, 400),
        {
            'gte_task_requests_total{status="invalid",task_type="unknown"}': 1,
            'gte_task_errors_total{reason="unknown_task",task_type="unknown"}': 1,
            'gte_task_latency_seconds_count{task_type="unknown"}': 1,
        },
    )
