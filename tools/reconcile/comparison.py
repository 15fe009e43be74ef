"""Adds up both sides between two edges, and says what of a difference has an explanation.

What a process counted after its last scrape is lost with it: Prometheus can't have seen it. Such lines are told apart
from real differences by their time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.reconcile.access_log import Line
from tools.reconcile.edges import GONE_AFTER_INTERVALS, MARGIN_SECONDS, Edge
from tools.reconcile.lives import Life
from tools.reconcile.scrapes import REQUESTS, Key


@dataclass(frozen=True)
class Row:
    """What both sides say of one counter.

    Attributes:
        key: which.
        lines: lines in the log that lie between the edges.
        at_edges: lines during the scrapes at the edges; they may lie on either side.
        counter: the increase in Prometheus.
        unplaced: how much of `counter` may have been counted before the range.
        at_ends: how many of `lines` may be missing in Prometheus, for they were counted at the end of a process.
    """

    key: Key
    lines: int
    at_edges: int
    counter: int
    unplaced: int
    at_ends: int

    @property
    def unscraped(self) -> int:
        """Lines that Prometheus lacks because their process ended before the next scrape."""
        return min(max(0, self.lines - self.counter), self.at_ends)

    @property
    def difference(self) -> int:
        """By how much Prometheus has more than the log (less: below 0) that nothing explains."""
        least, most = self.counter - self.unplaced, self.lines + self.at_edges
        if least > most:
            return least - most
        return min(0, self.counter - self.lines + self.unscraped)


@dataclass(frozen=True)
class End:
    """The end of a process within the range.

    Attributes:
        scraped: time stamp of its last scrape.
        until: when it had ended at the latest.
    """

    scraped: float
    until: float

    def holds(self, moment: float) -> bool:
        """Whether what was counted then may be lost to Prometheus."""
        return self.scraped - MARGIN_SECONDS <= moment <= self.until


@dataclass(frozen=True)
class Comparison:
    """Both sides between two edges.

    Attributes:
        begin: the first edge.
        end: the second.
        rows: one for each counter that either side has.
        ends: the ends of processes in between that have lines in the log.
    """

    begin: Edge
    end: Edge
    rows: Sequence[Row]
    ends: Sequence[End]

    @property
    def exact(self) -> bool:
        """Whether each row is a comparison of two numbers, and not of a number with an interval."""
        return not any(row.at_edges or row.unplaced for row in self.rows)

    @property
    def equal(self) -> bool:
        """Whether nothing is left that has no explanation."""
        return not any(row.difference for row in self.rows)

    def of(self, metric: str) -> list[Row]:
        """The rows of one metric."""
        return [row for row in self.rows if row.key.metric == metric]

    def total(self, field: str, metric: str = REQUESTS) -> int:
        """The sum of a column over the rows of one metric."""
        return sum(getattr(row, field) for row in self.of(metric))


def compare(lives: Sequence[Life], lines: Sequence[Line], begin: Edge, end: Edge, interval: float) -> Comparison:
    """Compare log and counters between two edges.

    Args:
        lives: all lives of the range.
        lines: all lines from the first edge to the second, and maybe more.
        begin: the first edge.
        end: the second.
        interval: seconds from one scrape to the next.
    """
    counter, unplaced = _increases(lives, begin, end)
    ends = list(_ends(lives, end, interval))
    inside, at_edges, at_ends = _lines(lines, begin, end, ends)
    rows = [
        Row(key, inside[key], at_edges[key], counter[key], unplaced[key], at_ends[key])
        for key in sorted({*counter, *inside, *at_edges})
    ]
    lossy = [one for one in ends if any(one.holds(line.time) and begin.end < line.time < end.begin for line in lines)]
    return Comparison(begin, end, [row for row in rows if row.lines or row.at_edges or row.counter], lossy)


def _increases(lives: Sequence[Life], begin: Edge, end: Edge) -> tuple[Counter[Key], Counter[Key]]:
    """The increases, and what of them may be older than the range."""
    counter: Counter[Key] = Counter()
    unplaced: Counter[Key] = Counter()
    for life in lives:
        base, final = life.latest(begin.at), life.latest(end.at)
        if final is None:
            continue
        counter.update(final.counts)
        if base is not None:
            counter.subtract(base.counts)
        elif life.begun_after is None or life.begun_after < begin.begin:
            unplaced.update(life.first.counts)
    return counter, unplaced


def _ends(lives: Sequence[Life], end: Edge, interval: float) -> Iterable[End]:
    for life in lives:
        if life.ended_by is not None:
            yield End(life.last.at, life.ended_by + MARGIN_SECONDS)
        elif end.at - life.last.at > GONE_AFTER_INTERVALS * interval:
            yield End(life.last.at, life.last.at + GONE_AFTER_INTERVALS * interval)


def _lines(
    lines: Iterable[Line], begin: Edge, end: Edge, ends: Sequence[End]
) -> tuple[Counter[Key], Counter[Key], Counter[Key]]:
    """Lines between the edges, lines at the edges, and what of the former is at the end of a process."""
    inside: Counter[Key] = Counter()
    at_edges: Counter[Key] = Counter()
    at_ends: Counter[Key] = Counter()
    for line in lines:
        if begin.end < line.time < end.begin:
            inside.update(line.keys())
            if any(one.holds(line.time) for one in ends):
                at_ends.update(line.keys())
        elif begin.begin <= line.time <= end.end:
            at_edges.update(line.keys())
    return inside, at_edges, at_ends
