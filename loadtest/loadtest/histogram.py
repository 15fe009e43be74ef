"""A latency histogram as the server counted it: which bucket a percentile lies in, and how many were slower."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A percentile from a histogram, in seconds: it lies between `low` and `high`, by interpolation at `value`."""

    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Histogram:
    """Cumulative counts by upper bound in seconds, +Inf included."""

    buckets: Mapping[float, float]

    @property
    def total(self) -> float:
        """How many observations there are."""
        return self.buckets.get(math.inf, 0.0)

    def percentile(self, share: float) -> Estimate | None:
        """The percentile as Prometheus' histogram_quantile computes it; None without observations."""
        if not self.total:
            return None
        rank = share * self.total
        low = count_below = 0.0
        for high in sorted(self.buckets):
            count = self.buckets[high]
            if count >= rank and count > count_below:
                if math.isinf(high):
                    return Estimate(low, high, low)
                return Estimate(low, high, low + (high - low) * (rank - count_below) / (count - count_below))
            low, count_below = high, count
        return None

    def above(self, value: float) -> tuple[float, float]:
        """The smallest bound that is not below `value` seconds, and how many observations are above it."""
        bound = min((bound for bound in self.buckets if bound >= value), default=math.inf)
        return bound, self.total - self.buckets.get(bound, self.total)

    def since(self, earlier: Histogram) -> Histogram:
        """What has been observed after `earlier`."""
        return Histogram({bound: count - earlier.buckets.get(bound, 0.0) for bound, count in self.buckets.items()})

    def plus(self, other: Histogram) -> Histogram:
        """The observations of both."""
        bounds = {*self.buckets, *other.buckets}
        return Histogram({bound: self.buckets.get(bound, 0.0) + other.buckets.get(bound, 0.0) for bound in bounds})
