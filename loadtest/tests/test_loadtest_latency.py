"""Percentiles are nearest ranks, and what wrk adds to its latencies is taken out exactly."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from loadtest.histogram import Histogram
from loadtest.latency import Latencies, as_measured


def corrected(measured: Counter[int], interval: int) -> Counter[int]:
    """wrk's correction, as described in `as_measured`."""
    counts = Counter(measured)
    for value, count in measured.items():
        added = value - interval
        while value >= 2 * interval and added > interval:
            counts[added] += count
            added -= interval
    return counts


@pytest.mark.parametrize("seed", range(20))
def test_what_wrk_adds_is_taken_out_exactly(seed: int) -> None:
    dice = random.Random(seed)
    measured = Counter(int(dice.lognormvariate(9, 1.2)) + 1 for _ in range(400))
    interval = sum(value * count for value, count in measured.items()) // 400
    seen = corrected(measured, interval)
    assert sum(seen.values()) > 400
    assert as_measured(Latencies(seen), interval).counts == measured


def test_latencies_below_twice_the_interval_are_left_alone() -> None:
    counts = {10: 5, 19: 1}
    assert as_measured(Latencies(counts), 10).counts == counts


def test_a_multiple_of_the_interval_brings_no_sample_of_the_interval_itself() -> None:
    assert as_measured(Latencies({10: 5, 20: 2, 30: 1}), 10).counts == {10: 5, 20: 1, 30: 1}


def test_latencies_that_were_not_corrected_so_are_refused() -> None:
    with pytest.raises(ValueError, match="aren't corrected as expected"):
        as_measured(Latencies({10: 5, 100: 1}), 10)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.51, 3), (0.95, 4), (1.0, 4), (0.001, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert Latencies({1: 25, 2: 25, 3: 25, 4: 25}).percentile(share) == value


def test_no_latency_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no request was answered in time"):
        Latencies({}).percentile(0.5)


def test_the_slow_ones_are_counted() -> None:
    latencies = Latencies({1: 2, 5: 3, 9: 4})
    assert [latencies.above(value) for value in (0, 1, 5, 9)] == [9, 7, 4, 0]


HISTOGRAM = Histogram({0.1: 50.0, 0.2: 90.0, 0.5: 100.0, math.inf: 100.0})


@pytest.mark.parametrize(
    ("share", "low", "high", "value"),
    [(0.5, 0.0, 0.1, 0.1), (0.25, 0.0, 0.1, 0.05), (0.9, 0.1, 0.2, 0.2), (0.95, 0.2, 0.5, 0.35)],
)
def test_a_percentile_of_a_histogram_is_interpolated(share: float, low: float, high: float, value: float) -> None:
    estimate = HISTOGRAM.percentile(share)
    assert estimate is not None
    assert (estimate.low, estimate.high) == (low, high)
    assert estimate.value == pytest.approx(value)


def test_a_percentile_above_the_last_bound_has_only_a_lower_one() -> None:
    estimate = Histogram({0.1: 1.0, math.inf: 100.0}).percentile(0.95)
    assert estimate is not None
    assert (estimate.low, estimate.high, estimate.value) == (0.1, math.inf, 0.1)


def test_an_empty_bucket_below_is_not_where_a_percentile_lies() -> None:
    estimate = Histogram({0.1: 0.0, 0.2: 0.0, 0.5: 10.0, math.inf: 10.0}).percentile(0.01)
    assert estimate is not None
    assert (estimate.low, estimate.high) == (0.2, 0.5)


def test_no_observation_has_no_percentile() -> None:
    assert Histogram({}).percentile(0.5) is None
    assert Histogram({0.1: 0.0, math.inf: 0.0}).percentile(0.5) is None


def test_the_slow_ones_of_a_histogram_are_counted_above_the_next_bound() -> None:
    assert HISTOGRAM.above(0.15) == (0.2, 10.0)
    assert HISTOGRAM.above(0.2) == (0.2, 10.0)
    assert HISTOGRAM.above(3.0) == (math.inf, 0.0)


def test_histograms_are_subtracted_and_added() -> None:
    twice = HISTOGRAM.plus(HISTOGRAM)
    assert twice.total == 200
    assert twice.since(HISTOGRAM) == HISTOGRAM
    assert HISTOGRAM.since(Histogram({})) == HISTOGRAM
