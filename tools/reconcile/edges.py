"""Chooses the two scrapes between which log and counters are compared.

A scrape takes a while, and whether a request that is counted meanwhile is in it can't be told. The edges are therefore
scrapes during which nothing was counted; where traffic never pauses there are none, and the comparison is an interval.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.reconcile.access_log import Line
from tools.reconcile.errors import RangeError
from tools.reconcile.lives import Life
from tools.reconcile.moments import say_moment

# The service notes the time of a request, raises its counters one after the other, and writes its line: microseconds
# on an idle machine, milliseconds when threads wait for each other. Prometheus may begin 2 ms after its time stamp.
MARGIN_SECONDS = 0.05
# An edge may move inwards by so much of the range to be exact. Further in, too little would be left of what was asked.
MOST_MOVED = 0.25
# A replica that had no scrape for so many intervals is gone, for the time being at least.
GONE_AFTER_INTERVALS = 3


@dataclass(frozen=True)
class Edge:
    """One end of what is compared.

    Attributes:
        at: the scrape's time stamp.
        begin: what was counted before this is in the scrape.
        end: what was counted after this is not in the scrape.
        clear: whether nothing was counted between the two.
    """

    at: float
    begin: float
    end: float
    clear: bool


def choose_edges(
    lives: Sequence[Life], lines: Sequence[Line], since: float, log_begin: float, interval: float
) -> tuple[Edge, Edge]:
    """The scrapes nearest to both ends of the range.

    Args:
        lives: all lives in the range that was asked for, and somewhat before.
        lines: all lines of that range and somewhat beyond, in order.
        since: where the range begins.
        log_begin: from when on the log is there.
        interval: seconds from one scrape to the next.

    Raises:
        RangeError: there are fewer than two scrapes.
    """
    times = [line.time for line in lines]
    moments = sorted({at for life in lives for at in life.times if at >= since})
    if len(moments) < 2:
        raise RangeError(
            "Prometheus has fewer than two scrapes of gte-service in this range, and a counter's increase needs two. "
            "Choose a longer range, or wait 10 s; if that doesn't help: is the target up (Status > Target health in "
            "Prometheus)?"
        )
    edges = [edge for edge in (_edge(at, lives, times, interval) for at in moments) if edge.begin >= log_begin]
    if len(edges) < 2:
        raise RangeError(
            f"Prometheus has fewer than two scrapes of gte-service since {say_moment(log_begin)}, when its log begins, "
            "and a counter's increase needs two. Wait 10 s and try again; an older log has been rotated away, or went "
            "with its container."
        )
    most = MOST_MOVED * (edges[-1].at - edges[0].at)
    return (
        _clear([edge for edge in edges[:-1] if edge.at - edges[0].at <= most], edges[0]),
        _clear([edge for edge in edges[:0:-1] if edges[-1].at - edge.at <= most], edges[-1]),
    )


def _clear(candidates: Iterable[Edge], otherwise: Edge) -> Edge:
    return next((edge for edge in candidates if edge.clear), otherwise)


def _edge(at: float, lives: Sequence[Life], times: Sequence[float], interval: float) -> Edge:
    # Replicas are scraped at moments of their own: the edge reaches from the first of them to the last.
    patience = GONE_AFTER_INTERVALS * interval
    latest = [
        scrape
        for life in lives
        for scrape in [life.latest(at)]
        if scrape and (life.last.at >= at or (life.ended_by is None and at - scrape.at <= patience))
    ]
    # Counters whose first scrape is still to come may be counting already.
    unseen = [max(life.begun_after or 0.0, life.first.at - patience) for life in lives if life.first.at > at]
    begin = min(unseen + [scrape.at for scrape in latest]) - MARGIN_SECONDS
    end = max(scrape.end for scrape in latest) + MARGIN_SECONDS
    return Edge(at, begin, end, bisect_left(times, begin) == bisect_right(times, end))
