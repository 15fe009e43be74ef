"""What Prometheus read from gte-service: each scrape at its exact moment, with the counters as they were."""

from __future__ import annotations

import http.client
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tools.reconcile.errors import PrometheusError

TIMEOUT_SECONDS = 30.0
# One query gives some 120 series x 180 scrapes for this long: a megabyte, far below Prometheus' limits.
STEP_MILLISECONDS = 900_000

REQUESTS, ERRORS, LATENCY = "requests", "errors", "latency"
# The metrics compared, each with the label that is compared beside the task.
_COUNTERS: Mapping[str, tuple[str, str]] = {
    "gte_task_requests_total": (REQUESTS, "status"),
    "gte_task_errors_total": (ERRORS, "reason"),
    "gte_task_latency_seconds_count": (LATENCY, ""),
}
_UP, _DURATION, _COUNTERS_START = "up", "scrape_duration_seconds", "gte_counters_start_time_seconds"
_SELECTOR = f'{{__name__=~"{"|".join((_UP, _DURATION, _COUNTERS_START, *_COUNTERS))}",job="gte-service"}}'


class Key(NamedTuple):
    """What is counted: `requests` by task and status, `errors` by task and reason, `latency` by task."""

    metric: str
    task: str
    label: str


@dataclass(frozen=True)
class Scrape:
    """One successful scrape of one replica.

    Attributes:
        instance: host:port as Prometheus calls it.
        at: its time stamp in Prometheus, when it began.
        seconds: how long it took.
        counts: the counters that are not 0.
        counters_start: when every counter was 0, None from an exporter that doesn't say.
    """

    instance: str
    at: float
    seconds: float
    counts: Mapping[Key, int]
    counters_start: float | None = None

    @property
    def end(self) -> float:
        """When the last counter had been read."""
        return self.at + self.seconds


@dataclass
class _Samples:
    up: float = 0.0
    seconds: float | None = None
    counters_start: float | None = None
    counts: dict[Key, int] = field(default_factory=dict)


def read_scrapes(address: str, begin: float, end: float) -> list[Scrape]:
    """The scrapes of gte-service in a range, in order of time; those that failed are left out.

    Args:
        address: host:port of Prometheus.
        begin: where the range begins, in seconds since 1970.
        end: where it ends.

    Raises:
        PrometheusError: it doesn't answer as it should.
    """
    if not address:
        raise PrometheusError(
            "Prometheus publishes no port on this host, so it can't be asked. Give it its `ports` of compose.yaml back."
        )
    found: dict[tuple[float, str], _Samples] = defaultdict(_Samples)
    for step_end, length in _steps(begin, end):
        for series in _matrix(address, f"{_SELECTOR}[{length}ms]", step_end / 1000):
            labels = series["metric"]
            for at, value in series["values"]:
                _take(found[float(at), labels.get("instance", "")], labels, float(value))
    return [
        Scrape(instance, at, one.seconds, one.counts, one.counters_start)
        for (at, instance), one in sorted(found.items(), key=itemgetter(0))
        if one.up and one.seconds is not None
    ]


def _steps(begin: float, end: float) -> Iterator[tuple[int, int]]:
    """Ends and lengths of steps, in milliseconds, as Prometheus counts: no rounding may leave one out in between."""
    # Prometheus 3 leaves out what is exactly at the beginning of a range, Prometheus 2 doesn't: ask for a little more.
    reached, last = math.floor(1000 * begin) - 1, math.ceil(1000 * end)
    while reached < last:
        step = min(STEP_MILLISECONDS, last - reached)
        reached += step
        yield reached, step


def _take(samples: _Samples, labels: Mapping[str, str], value: float) -> None:
    name = labels["__name__"]
    if name == _UP:
        samples.up = value
    elif name == _DURATION:
        samples.seconds = value
    elif name == _COUNTERS_START:
        samples.counters_start = value
    elif value:
        metric, label = _COUNTERS[name]
        samples.counts[Key(metric, labels.get("task_type", ""), labels.get(label, ""))] = round(value)


def _matrix(address: str, query: str, at: float) -> Sequence[Any]:
    status, answer = _ask(address, f"/api/v1/query?{urlencode({'query': query, 'time': f'{at:.3f}'})}")
    if status != http.client.OK or answer.get("status") != "success":
        said = answer.get("error", f"HTTP {status}")
        raise PrometheusError(f"Prometheus at {address} refuses a query: {said}. Its log: make logs SERVICE=prometheus")
    result: Sequence[Any] = answer["data"]["result"]
    return result


def _ask(address: str, target: str) -> tuple[int, dict[str, Any]]:
    # http.client knows no proxy: a proxy of the environment must not come between.
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise PrometheusError(
            f"Prometheus doesn't answer at {address}: {error or type(error).__name__}. Does the stack run (make "
            "status)? The port is PROMETHEUS_PORT, of .env or the environment."
        ) from None
    finally:
        connection.close()
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "status" not in answer:
        raise PrometheusError(
            f"What answers at {address} is not Prometheus (HTTP {response.status}, {body[:60]!r}). The port is "
            "PROMETHEUS_PORT, of .env or the environment."
        )
    return response.status, answer
