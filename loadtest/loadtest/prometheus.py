"""Reads from Prometheus what gte-service has counted, at a moment when all of it has been scraped."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from loadtest.histogram import Histogram
from tools.cli import ToolError, ask

JOB = "gte-service"
# The service may count a request a moment after it has answered it.
COUNTED_LATE_SECONDS = 0.5
POLL_SECONDS = 0.5


class NotSettledError(ToolError):
    """Prometheus' figures don't come to rest: not yet, or something else sends requests."""


@dataclass(frozen=True)
class Reading:
    """What gte-service had counted at one moment, summed over its replicas.

    Attributes:
        scraped: when the oldest of the values was read, by Prometheus' clock.
        active: requests in flight then.
        requests: by task and status.
        errors: by task and reason.
        latency: histogram by task.
    """

    scraped: float
    active: float
    requests: Mapping[tuple[str, str], float]
    errors: Mapping[tuple[str, str], float] = field(default_factory=dict)
    latency: Mapping[str, Histogram] = field(default_factory=dict)

    def same_counts(self, other: Reading) -> bool:
        """Whether nothing has been counted between the two."""
        return self.requests == other.requests and self.latency == other.latency


class Replicas(NamedTuple):
    """The replicas that Prometheus scrapes now; it shows a series for 5 minutes after its target has gone.

    Attributes:
        number: how many there are.
        matchers: select the series of these, in PromQL.
    """

    number: int
    matchers: str


class Prometheus:
    """Prometheus' API at an address."""

    def __init__(self, url: str) -> None:
        self._url = url

    def clock(self) -> float:
        """The time now in seconds by Prometheus' own clock, with which it stamps its samples."""
        return self._one("vector(time())", None)

    def read(self) -> Reading:
        """What the last scrapes of all replicas show.

        Raises:
            NotSettledError: there is none, for example after a scrape that failed.
            ToolError: Prometheus doesn't answer.
        """
        now = self.clock()
        replicas = self._replicas()
        # The time stamp first: a scrape between the queries makes the rest younger than it says, never older.
        times = self._vector(f"min by (instance) (timestamp(gte_task_requests_total{{{replicas.matchers}}}))", now)
        if len(times) != replicas.number or not times:
            # Also right after a scrape that failed: the next one may succeed.
            raise NotSettledError(f"Prometheus has scraped {len(times)} of the {replicas.number} replicas of {JOB}")
        latency: dict[str, dict[float, float]] = defaultdict(dict)
        buckets = f"sum by (task_type, le) (gte_task_latency_seconds_bucket{{{replicas.matchers}}})"
        for labels, value in self._vector(buckets, now):
            latency[labels["task_type"]][float(labels["le"])] = value
        return Reading(
            scraped=min(value for _, value in times),
            active=self._one(f"sum(gte_active_requests{{{replicas.matchers}}})", now),
            requests=self._by(f"gte_task_requests_total{{{replicas.matchers}}}", "status", now),
            errors=self._by(f"gte_task_errors_total{{{replicas.matchers}}}", "reason", now),
            latency={task: Histogram(counts) for task, counts in latency.items()},
        )

    def settled(self, moment: float, seconds: float) -> Reading:
        """What has been counted up to `moment` and until nothing is in flight any more.

        Two scrapes in a row that are equal, both after `moment` and with nothing in flight: a request that waits
        in the server's queue when its client goes is counted later than any answer the client saw.

        Raises:
            NotSettledError: the figures didn't come to rest within `seconds`.
            ToolError: Prometheus doesn't answer.
        """
        earlier: list[Reading] = []

        def attempt() -> Reading:
            reading = self.read()
            if reading.scraped <= moment + COUNTED_LATE_SECONDS:
                raise NotSettledError(
                    f"Prometheus' last scrape of gte-service was {moment - reading.scraped:.1f} s before the moment "
                    "that matters: is its target up (Status > Target health)?"
                )
            if reading.active:
                raise NotSettledError(f"gte-service has {reading.active:g} requests in flight that are not ours")
            before = earlier[-1] if earlier else None
            if before is None or reading.scraped > before.scraped:
                earlier.append(reading)
            if before is None or reading.scraped <= before.scraped or not reading.same_counts(before):
                raise NotSettledError("gte-service goes on counting requests: run again without other traffic")
            return reading

        return poll(attempt, seconds)

    def qps_inside(self, begin: float, end: float) -> float | None:
        """Requests per second from the scrapes that lie in a span of time; None when there are fewer than two.

        Raises:
            ToolError: Prometheus doesn't answer.
        """
        span = max(1, round(end - begin))
        requests = f"gte_task_requests_total{{{self._replicas().matchers}}}[{span}s]"
        found = self._data("/api/v1/query", {"query": requests, "time": f"{end:.3f}"})
        rates = []
        for series in found["result"]:
            samples = [(float(at), float(value)) for at, value in series["values"] if begin <= float(at) <= end]
            if len(samples) < 2:
                return None
            rates.append((samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0]))
        return sum(rates) if rates else None

    def _replicas(self) -> Replicas:
        active = self._data("/api/v1/targets", {"state": "active"})["activeTargets"]
        names = [target["labels"]["instance"] for target in active if target["labels"]["job"] == JOB]
        return Replicas(len(names), f'job="{JOB}", instance=~`{"|".join(map(re.escape, names))}`')

    def _by(self, selector: str, label: str, now: float) -> dict[tuple[str, str], float]:
        samples = self._vector(f"sum by (task_type, {label}) ({selector})", now)
        return {(labels["task_type"], labels[label]): value for labels, value in samples}

    def _one(self, expression: str, now: float | None) -> float:
        samples = self._vector(expression, now)
        if len(samples) != 1:
            raise NotSettledError(
                f"Prometheus has {len(samples)} series for {expression} instead of 1: does it scrape gte-service?"
            )
        return samples[0][1]

    def _vector(self, expression: str, now: float | None) -> list[tuple[dict[str, str], float]]:
        asked = {"query": expression} | ({} if now is None else {"time": f"{now:.3f}"})
        found = self._data("/api/v1/query", asked)
        return [(sample["metric"], float(sample["value"][1])) for sample in found["result"]]

    def _data(self, path: str, asked: Mapping[str, str]) -> Any:
        status, answer = ask(f"{self._url}{path}?{urlencode(asked)}")
        if status != 200 or answer.get("status") != "success":
            raise ToolError(f"Prometheus answers {asked} with status {status}: {str(answer)[:200]}")
        return answer["data"]


def poll(attempt: Callable[[], Reading], seconds: float) -> Reading:
    """Tries again until `attempt` raises no NotSettledError; raises that of the last try when the time is up."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except NotSettledError:
            if time.monotonic() > end:
                raise
        time.sleep(POLL_SECONDS)
