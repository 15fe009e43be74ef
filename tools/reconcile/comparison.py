"""Compares the log lines between two scrapes with the increase of the counters between the same two.

A scrape doesn't tell on which side of it a request falls that was counted in the same moment, and replicas are scraped
at different moments. Lines within one scrape interval of an end of the range are therefore a bound: the counters may
differ by as many. The same holds for the time between a process' last scrape and its end, if its counters are lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from tools import cli
from tools.reconcile.sources import REQUESTS, Key, Line, Scrape, rfc_3339

# How long after its time stamp a scrape may still read a counter.
SCRAPE_SECONDS = 0.5
# An end may move inwards by so much of the range to a scrape around which nothing was logged.
MOST_MOVED = 0.25
# A replica that has missed so many scrapes is gone.
GONE_AFTER_INTERVALS = 3

Interval = tuple[float, float]
"""From and to, in seconds since 1970."""


@dataclass(frozen=True)
class Row:
    """One counter: its lines in the range, its increase, and how many lines may lie on either side."""

    key: Key
    lines: int
    counter: int
    edges: int

    @property
    def difference(self) -> int:
        """How many more (+) or fewer (-) requests Prometheus has."""
        return self.counter - self.lines

    @property
    def agrees(self) -> bool:
        """Whether the requests at the edges can explain the difference."""
        return abs(self.difference) <= self.edges


@dataclass(frozen=True)
class Comparison:
    """The result: `begin` and `end` are scrapes' time stamps, `restarts` sentences about counters that were lost."""

    begin: float
    end: float
    rows: Sequence[Row]
    restarts: Sequence[str]

    @property
    def equal(self) -> bool:
        """Whether all counters agree with their lines."""
        return all(row.agrees for row in self.rows)

    @property
    def exact(self) -> bool:
        """Whether no request lies at an edge and no counters were lost, so that nothing may differ."""
        return not self.restarts and not self.total("edges")

    def total(self, figure: str) -> int:
        """The sum of a row's figure over the requests by task and status."""
        return sum(getattr(row, figure) for row in self.rows if row.key.metric == REQUESTS)


def compare(scrapes: Sequence[Scrape], lines: Sequence[Line], since: float, log_begin: float) -> Comparison:
    """Compare both sides from the first to the last scrape of a range.

    Args:
        scrapes: of all replicas in order of time, from somewhat before the range.
        lines: in order of time, from somewhat before the range to somewhat after it.
        since: where the range begins, in seconds since 1970.
        log_begin: where the log begins.

    Raises:
        ToolError: the range holds fewer than two scrapes, or no request.
    """
    runs = _runs(scrapes)
    steps = [later.time - earlier.time for run in runs for earlier, later in pairwise(run)]
    interval = median(steps) if steps else 0.0
    times = sorted({scrape.time for scrape in scrapes if scrape.time >= since})
    edges = [(time, edge) for time in times if (edge := _edge(time, runs, interval))[0] >= log_begin]
    if len(edges) < 2:
        raise cli.ToolError(
            f"Prometheus has fewer than two scrapes of gte-service since {rfc_3339(max(since, log_begin))}, and an "
            "increase needs two; an older log was rotated away or went with its container. Choose a longer range, or "
            "wait 10 s; if that doesn't help: is the target up (Status > Target health in Prometheus)?"
        )
    most = MOST_MOVED * (edges[-1][0] - edges[0][0])
    begin, first_edge = _clear([edge for edge in edges[:-1] if edge[0] - edges[0][0] <= most], lines)
    end, last_edge = _clear([edge for edge in edges[:0:-1] if edges[-1][0] - edge[0] <= most], lines)
    increase: Counter[Key] = Counter()
    uncertain, restarts = [first_edge, last_edge], []
    starts = [run[0].start for run in runs if run[0].start is not None]
    for run in runs:
        counts, lost = _increase(run, starts, begin, end, GONE_AFTER_INTERVALS * interval)
        increase.update(counts)
        uncertain += lost
        restarts += [
            f"The counters of {run[0].instance} don't go on from {rfc_3339(lost_from)} to {rfc_3339(lost_to)} (a "
            "restart with a new volume, or a replica that came or went): requests in between are a bound."
            for lost_from, lost_to in lost
        ]
    inside = Counter(key for line in lines if begin < line.time <= end for key in line.counters())
    bound = Counter(key for line in lines if _within(line, uncertain) for key in line.counters())
    keys = sorted(key for key in inside | increase | bound if inside[key] or increase[key] or bound[key])
    if not keys:
        raise cli.ToolError(
            "There was no task request in this range, neither in the log nor in Prometheus. Send some (make load), "
            "wait 10 s for the next scrapes, or choose another range."
        )
    return Comparison(begin, end, [Row(key, inside[key], increase[key], bound[key]) for key in keys], restarts)


def _runs(scrapes: Sequence[Scrape]) -> list[list[Scrape]]:
    """Scrapes whose counters go on: those with the same start, at whatever address."""
    runs: dict[float | str, list[Scrape]] = {}
    for scrape in scrapes:
        runs.setdefault(scrape.instance if scrape.start is None else scrape.start, []).append(scrape)
    return list(runs.values())


def _edge(time: float, runs: Sequence[Sequence[Scrape]], interval: float) -> Interval:
    """The interval around a scrape whose requests may be on either side of it, for one replica or another."""
    begin = time - interval
    for run in runs:
        latest = _latest(run, time)
        if latest and (run[-1].time > time or time - latest.time <= GONE_AFTER_INTERVALS * interval):
            begin = min(begin, latest.time)
    return begin, time + SCRAPE_SECONDS


def _increase(
    run: Sequence[Scrape], starts: Sequence[float], begin: float, end: float, patience: float
) -> tuple[Counter[Key], list[Interval]]:
    """How much the counters of a run rose, and the intervals whose requests Prometheus may have missed."""
    first, last = _latest(run, begin), _latest(run, end)
    inside = [scrape for scrape in run if begin < scrape.time <= end]
    rises: Counter[Key] = Counter()
    lost: list[Interval] = []
    if first:
        inside.insert(0, first)
    elif inside and inside[0].start is not None and inside[0].start > begin:
        rises.update(inside[0].counts)
    elif inside:
        # What was counted before the first scrape may be older than the range.
        lost.append((begin, inside[0].time + SCRAPE_SECONDS))
    for earlier, later in pairwise(inside):
        keys = earlier.counts.keys() | later.counts.keys()
        changes = {key: later.counts.get(key, 0) - earlier.counts.get(key, 0) for key in keys}
        rises.update({key: change for key, change in changes.items() if change > 0})
        if min(changes.values(), default=0) < 0:
            lost.append((earlier.time, later.time + SCRAPE_SECONDS))
    if last and begin - patience < last.time < end - patience:
        lost.append((last.time, min((start for start in starts if start > last.time), default=end + SCRAPE_SECONDS)))
    return rises, lost


def _latest(run: Sequence[Scrape], time: float) -> Scrape | None:
    return next((scrape for scrape in reversed(run) if scrape.time <= time), None)


def _clear(edges: Sequence[tuple[float, Interval]], lines: Sequence[Line]) -> tuple[float, Interval]:
    """The first of the edges in which nothing was logged, or else the first."""
    return next((edge for edge in edges if not any(_within(line, [edge[1]]) for line in lines)), edges[0])


def _within(line: Line, intervals: Sequence[Interval]) -> bool:
    return any(begin <= line.time <= end for begin, end in intervals)
