"""Splits the scrapes of an instance into lives: from one start of the service's processes to the next.

Counters begin at 0 with each life. That a new one has begun is seen when a counter went back, when a scrape found no
counters at all (the exporter answers before the first worker has made them), or by the container's start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from reconcile.scrapes import Scrape


@dataclass(frozen=True)
class Life:
    """What one run of the service's processes showed.

    Attributes:
        instance: host:port as Prometheus calls it.
        scrapes: its scrapes in order, at least one, all with counters.
        begun_after: a moment when its counters are known to have been 0 or not there, None if none is known.
        ended: whether another life of the same instance follows.
    """

    instance: str
    scrapes: Sequence[Scrape]
    times: Sequence[float]
    begun_after: float | None
    ended: bool

    @property
    def first(self) -> Scrape:
        """Its first scrape."""
        return self.scrapes[0]

    @property
    def last(self) -> Scrape:
        """Its last scrape."""
        return self.scrapes[-1]

    def latest(self, at: float) -> Scrape | None:
        """Its last scrape at a moment or before it."""
        index = bisect_right(self.times, at)
        return self.scrapes[index - 1] if index else None


def find_lives(scrapes: Mapping[str, Sequence[Scrape]], starts: Mapping[str, float]) -> list[Life]:
    """All lives, instance after instance.

    Args:
        scrapes: by instance, in order.
        starts: when a container was started last, by its address.
    """
    return [life for instance, own in scrapes.items() for life in _lives(instance, own, starts)]


def typical_interval(lives: Iterable[Life]) -> float:
    """Seconds from one scrape to the next, 0 where there are no two."""
    steps = [later - earlier for life in lives for earlier, later in zip(life.times, life.times[1:])]  # noqa: B905
    return median(steps) if steps else 0.0


def _lives(instance: str, scrapes: Sequence[Scrape], starts: Mapping[str, float]) -> Iterable[Life]:
    started = starts.get(instance.rpartition(":")[0])
    runs: list[tuple[float | None, list[Scrape]]] = []
    previous: Scrape | None = None
    for scrape in scrapes:
        if scrape.counts is not None:
            since_previous = [] if previous is None else [previous.at]
            restarted = started is not None and started <= scrape.at and all(at < started for at in since_previous)
            known = [*since_previous, started] if started is not None and restarted else since_previous
            if previous is None or previous.counts is None or restarted or _went_back(previous, scrape):
                runs.append((max(known, default=None), []))
            runs[-1][1].append(scrape)
        previous = scrape
    for number, (begun_after, own) in enumerate(runs):
        yield Life(instance, own, [scrape.at for scrape in own], begun_after, number + 1 < len(runs))


def _went_back(earlier: Scrape, later: Scrape) -> bool:
    before, after = earlier.counts or {}, later.counts or {}
    return any(after.get(key, 0) < value for key, value in before.items())
