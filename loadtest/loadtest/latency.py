"""Latencies as wrk measured them: percentiles, and wrk's own correction taken out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Latencies:
    """How often each latency occurred, in microseconds."""

    counts: Mapping[int, int]

    @property
    def total(self) -> int:
        """How many latencies there are."""
        return sum(self.counts.values())

    def percentile(self, share: float) -> int:
        """The latency in microseconds that `share` (0 to 1) of all don't exceed: the nearest rank.

        Raises:
            ValueError: there are no latencies.
        """
        rank = max(1, -int(-share * self.total // 1))
        seen = 0
        for value in sorted(self.counts):
            seen += self.counts[value]
            if seen >= rank:
                return value
        raise ValueError("wrk measured no latency: no request was answered in time")

    def above(self, value: float) -> int:
        """How many latencies are longer than `value` microseconds."""
        return sum(count for latency, count in self.counts.items() if latency > value)


def as_measured(corrected: Latencies, interval: int) -> Latencies:
    """Take out the samples that wrk adds to what it measured.

    wrk guards against coordinated omission: for a latency n of at least twice the mean time between two requests
    of a connection (`interval`), it adds samples n - interval, n - 2·interval … down to the interval, as if
    requests had gone on being sent. Added samples are always shorter than what they come from, so the longest
    latency is as measured, and from there down everything added can be taken out again. The result is what
    compares with the server's histogram, which knows only real requests.

    Args:
        corrected: the latencies as wrk gives them to `done`.
        interval: microseconds between two requests of a connection, as wrk computes it.

    Raises:
        ValueError: the latencies can't have come about in this way.
    """
    counts = Counter(corrected.counts)
    for value in sorted(corrected.counts, reverse=True):
        if value < 2 * interval:
            break
        added = value - interval
        while added > interval:
            counts[added] -= counts[value]
            added -= interval
    if min(counts.values(), default=0) < 0:
        raise ValueError("wrk's latencies aren't corrected as expected; is it the wrk 4 that the image installs?")
    return Latencies({value: count for value, count in counts.items() if count})
