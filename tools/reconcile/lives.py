"""Splits the scrapes into lives: counters that go on, whatever is restarted meanwhile.

The service keeps its counters on a volume, and says since when they count. Scrapes that say the same moment are of one
life, at whatever address, for a new container may get another one. Only counters that begin anew begin another life.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tools.reconcile.scrapes import Scrape


@dataclass(frozen=True)
class Life:
    """What one replica showed as long as its counters went on.

    Attributes:
        scrapes: its scrapes in order, at least one.
        times: their time stamps.
        begun_after: a moment when its counters are known to have been 0, None if none is known.
        ended_by: when it had ended at the latest, because other counters took its place; None if it may go on.
    """

    scrapes: Sequence[Scrape]
    times: Sequence[float]
    begun_after: float | None
    ended_by: float | None

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


def find_lives(scrapes: Sequence[Scrape]) -> list[Life]:
    """All lives; `scrapes` are those of all replicas, in order of time."""
    runs: dict[float | str, list[list[Scrape]]] = defaultdict(list)
    for scrape in scrapes:
        own = runs[_counters(scrape)]
        if not own or _went_back(own[-1][-1], scrape):
            own.append([])
        own[-1].append(scrape)
    times = [scrape.at for scrape in scrapes]
    return [
        Life(run, [scrape.at for scrape in run], _begun_after(own, number), _ended_by(run[-1], scrapes, times))
        for own in runs.values()
        for number, run in enumerate(own)
    ]


def typical_interval(lives: Iterable[Life]) -> float:
    """Seconds from one scrape to the next, 0 where there are no two."""
    steps = [later - earlier for life in lives for earlier, later in zip(life.times, life.times[1:])]  # noqa: B905
    return median(steps) if steps else 0.0


def _counters(scrape: Scrape) -> float | str:
    """What tells the counters of a scrape from others: their start, or where they are if the exporter doesn't say."""
    return scrape.instance if scrape.counters_start is None else scrape.counters_start


def _went_back(earlier: Scrape, later: Scrape) -> bool:
    return any(later.counts.get(key, 0) < value for key, value in earlier.counts.items())


def _begun_after(runs: Sequence[Sequence[Scrape]], number: int) -> float | None:
    start = runs[number][0].counters_start
    if number == 0:
        return start
    # An exporter that doesn't say its start begins at 0 each time; one that does has lost a file, but not all counts.
    return runs[number - 1][-1].at if start is None else None


def _ended_by(last: Scrape, scrapes: Sequence[Scrape], times: Sequence[float]) -> float | None:
    for number in range(bisect_right(times, last.at), len(scrapes)):
        later = scrapes[number]
        if later.instance == last.instance:
            start = later.counters_start or 0.0
            # Where new counters begin, the old ones have ended already.
            return start if start > last.at else later.end
    return None
