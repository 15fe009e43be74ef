"""What a run has measured, and the targets with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from tools.bench_metrics.recording import Recorded
from tools.bench_metrics.restarts import Restarts
from tools.bench_metrics.scrape import Scrapes
from tools.bench_metrics.statistic import percentile, quartiles

# From the requirements of the metrics.
MOST_MICROS = 50.0
MOST_SCRAPE_MILLIS = 20.0
# "Where it was": two folders without a difference come out within some percent of each other.
MOST_SCRAPE_GROWTH = 1.25
_OURS = ("monitor", "service")


@dataclass
class Results:
    """What a run has measured so far.

    Attributes:
        recorded: without HTTP.
        over_http: the same through gunicorn.
        scrapes: of /metrics.
        slots: restarts of workers under slots.
        pids: the same under process ids.
    """

    recorded: list[Recorded] = field(default_factory=list)
    over_http: list[Recorded] = field(default_factory=list)
    scrapes: list[Scrapes] = field(default_factory=list)
    slots: Restarts | None = None
    pids: Restarts | None = None


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        subject: what it is about; a row of the table has the same.
        figure: what was measured.
        most: what it may be.
        unit: of both.
    """

    subject: str
    figure: float
    most: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is reached; what is no number is not."""
        return not math.isnan(self.figure) and self.figure <= self.most


def targets(results: Results) -> Iterator[Target]:
    """All targets that were measured."""
    for each in results.recorded:
        if each.way in _OURS:
            yield Target(f"{each.way} {each.place}", quartiles(each.more).median, MOST_MICROS, "µs")
    for scrapes in results.scrapes:
        if scrapes.name == "idle":
            yield Target("idle", 1e3 * percentile(scrapes.seconds, 0.99), MOST_SCRAPE_MILLIS, "ms")
    if results.slots:
        before, after = results.slots.before, results.slots.after
        yield Target("files", after.files, before.files)
        yield Target("bytes", after.size, before.size)
        yield Target("growth", growth(results.slots), MOST_SCRAPE_GROWTH)
        yield Target("difference", abs(results.slots.difference), 0)


def growth(restarts: Restarts) -> float:
    """The median time of a scrape after the restarts, divided by that before."""
    return quartiles(restarts.after.seconds).median / quartiles(restarts.before.seconds).median
