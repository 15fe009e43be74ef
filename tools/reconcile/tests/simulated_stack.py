"""A service whose requests, scrapes and restarts are made up: both sides of the comparison from one list of events.

Its counters are what they would be, so a test can take one request away on either side and see that it is missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.reconcile.access_log import Container, Line
from tools.reconcile.judgement import judge
from tools.reconcile.options import Options
from tools.reconcile.report import Report
from tools.reconcile.scrapes import Key, Scrape

ADDRESS = "172.20.0.5"
INSTANCE = f"{ADDRESS}:9090"
OTHER = "172.20.0.6:9090"
INTERVAL = 5.0
EARLIER_SECONDS = 20.0
SCRAPE_SECONDS = 0.02
# A start takes a moment until the exporter answers.
EXPORTER_SECONDS = 1.0


@dataclass(eq=False)
class Process:
    """One run of the service.

    Attributes:
        started: when it started.
        ended: when it ended.
        instance: where it was.
        volume: its counters go on from those of earlier runs with the same volume; None: they begin at 0.
        says_start: whether its exporter says when every counter was 0.
        lost_before: what the volume held from before this moment was lost when it started.
    """

    started: float
    ended: float = float("inf")
    instance: str = INSTANCE
    volume: str | None = "gte-metrics"
    says_start: bool = True
    lost_before: float = 0.0


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
        seen: whether Prometheus has a scrape.
    """

    begin: float = 1000.0
    end: float = 1060.0
    processes: list[Process] = field(default_factory=lambda: [Process(0.0)])
    requests: list[Line] = field(default_factory=list)
    unlogged: list[Line] = field(default_factory=list)
    uncounted: list[Line] = field(default_factory=list)
    log_begin: float | None = 0.0
    seen: Callable[[Scrape], bool] = lambda scrape: True

    def request(self, *times: float, task: str = "embedding", status: str = "success", reason: str = "") -> None:
        """Requests that are counted and logged."""
        self.requests += [Line(time, task, status, reason) for time in times]

    def scrapes(self) -> list[Scrape]:
        """What Prometheus has."""
        found: list[Scrape] = []
        counted = [(line, self._counted_by(line.time)) for line in (*self.requests, *self.unlogged)]
        for process in self.processes:
            at = self.begin - EARLIER_SECONDS + (0.0 if process.instance == INSTANCE else 2.0)
            while at <= self.end:
                if process.started + EXPORTER_SECONDS <= at < process.ended:
                    found.append(self._scrape(process, at, counted))
                at += INTERVAL
        return sorted(filter(self.seen, found), key=lambda scrape: scrape.at)

    def lines(self) -> list[Line]:
        """What is in the log."""
        return sorted((*self.requests, *self.uncounted), key=lambda line: line.time)

    def judge(self, since: float | None = None, until: float | None = None) -> Report:
        """Compare both."""
        options = Options(since or self.begin, until or self.end, json=False)
        scrapes = [one for one in self.scrapes() if options.since - EARLIER_SECONDS <= one.at <= options.until]
        lines: Sequence[Line] = [line for line in self.lines() if self.log_begin is None or line.time > self.log_begin]
        return judge(options, scrapes, lines, [Container(frozenset({ADDRESS}), self.log_begin)])

    def _scrape(self, process: Process, at: float, counted: Sequence[tuple[Line, Process]]) -> Scrape:
        own = [one for one in self.processes if one is process or one.volume == process.volume is not None]
        lost_before = max(one.lost_before for one in own if one.started <= process.started)
        counts: Counter[Key] = Counter()
        for line, counted_by in counted:
            if lost_before <= line.time <= at + SCRAPE_SECONDS / 2 and counted_by in own:
                counts.update(line.keys())
        start = min(one.started for one in own) if process.says_start else None
        return Scrape(process.instance, at, SCRAPE_SECONDS, counts, start)

    def _counted_by(self, time: float) -> Process:
        # With two replicas at a time they take turns.
        living = [process for process in self.processes if process.started <= time < process.ended]
        return living[round(1000 * time) % len(living)]
