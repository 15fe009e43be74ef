"""A service whose requests, scrapes and restarts are made up: both sides of the comparison from one list of events.

Its counters are what they would be, so a test can take one request away on either side and see that it is missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reconcile.access_log import Container, Line
from reconcile.judgement import judge
from reconcile.options import Options
from reconcile.report import Report
from reconcile.scrapes import Key, Scrape

ADDRESS = "172.20.0.5"
INSTANCE = f"{ADDRESS}:9090"
INTERVAL = 5.0
EARLIER_SECONDS = 20.0
SCRAPE_SECONDS = 0.02
# A start takes a moment until the exporter answers, and another until the first worker has made its counters.
EXPORTER_SECONDS = 1.0
COUNTERS_SECONDS = 2.0


@dataclass
class Process:
    """One run of the service: when it started and when it ended, and where it was."""

    started: float
    ended: float = float("inf")
    instance: str = INSTANCE
    counters_after: float = COUNTERS_SECONDS


@dataclass
class SimulatedStack:
    """What happened.

    Attributes:
        begin: time of the first scrape that is looked at.
        end: no scrape after this.
        processes: the runs of the service.
        requests: when each request was counted (which must be in a run), and as what.
        unlogged: requests that were counted and have no line.
        uncounted: requests that have a line and were not counted.
        log_begin: when the log begins.
        container_started: as the engine says it.
        seen: whether Prometheus has a scrape of an instance.
    """

    begin: float = 1000.0
    end: float = 1060.0
    processes: list[Process] = field(default_factory=lambda: [Process(0.0)])
    requests: list[Line] = field(default_factory=list)
    unlogged: list[Line] = field(default_factory=list)
    uncounted: list[Line] = field(default_factory=list)
    log_begin: float | None = 0.0
    container_started: float = 0.0
    seen: Callable[[str, Scrape], bool] = lambda instance, scrape: True

    def request(self, *times: float, task: str = "embedding", status: str = "success", reason: str = "") -> None:
        """Requests that are counted and logged."""
        self.requests += [Line(time, task, status, reason) for time in times]

    def scrapes(self) -> dict[str, list[Scrape]]:
        """What Prometheus has."""
        found: dict[str, list[Scrape]] = {}
        for process in self.processes:
            offset = 0.0 if process.instance == INSTANCE else 2.0
            at = self.begin + offset - EARLIER_SECONDS
            while at <= self.end:
                if process.started + EXPORTER_SECONDS <= at < process.ended:
                    found.setdefault(process.instance, []).append(self._scrape(process, at))
                at += INTERVAL
        return found

    def lines(self) -> list[Line]:
        """What is in the log."""
        return sorted((*self.requests, *self.uncounted), key=lambda line: line.time)

    def judge(self, since: float | None = None, until: float | None = None) -> Report:
        """Compare both."""
        options = Options(since or self.begin, until or self.end, json=False)
        scrapes = {
            instance: [
                one
                for one in own
                if options.since - EARLIER_SECONDS <= one.at <= options.until and self.seen(instance, one)
            ]
            for instance, own in self.scrapes().items()
        }
        lines: Sequence[Line] = [line for line in self.lines() if self.log_begin is None or line.time > self.log_begin]
        container = Container(frozenset({ADDRESS}), self.container_started, self.log_begin)
        return judge(options, scrapes, lines, [container])

    def _scrape(self, process: Process, at: float) -> Scrape:
        if at < process.started + process.counters_after:
            return Scrape(at, SCRAPE_SECONDS, None)
        read = at + SCRAPE_SECONDS / 2
        counts: Counter[Key] = Counter()
        for line in (*self.requests, *self.unlogged):
            if self._counted_by(line.time) is process and line.time <= read:
                counts.update(line.keys())
        return Scrape(at, SCRAPE_SECONDS, counts)

    def _counted_by(self, time: float) -> Process:
        # With two replicas at a time they take turns.
        living = [process for process in self.processes if process.started <= time < process.ended]
        return living[round(1000 * time) % len(living)]
