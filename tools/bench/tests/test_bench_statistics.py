"""The figures of the report are what they are called."""

from __future__ import annotations

import pytest

from tools.bench.statistic import cosine, least_cosine, less_the_mean, paired_ratio, percentile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (0.07, 7), (0.951, 96), (1.0, 100), (0.001, 1)]
)
def test_a_percentile_is_a_measured_value_of_the_nearest_rank(share: float, expected: float) -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, share) == expected


def test_the_p99_of_few_values_is_the_greatest() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_there_is_no_percentile_of_nothing(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, share)


def test_ratios_are_of_the_same_round() -> None:
    # The machine was slow for both in round 2: the ratio of the medians would be 1.5.
    ours, theirs = {1: 20.0, 2: 2.0, 3: 30.0}, {1: 10.0, 2: 1.0, 3: 15.0}
    assert paired_ratio(ours, theirs) == 2.0


def test_a_round_that_only_one_has_is_left_out() -> None:
    assert paired_ratio({1: 4.0, 2: 100.0}, {1: 2.0}) == 2.0
    assert paired_ratio({1: 4.0}, {2: 2.0}) is None
    assert paired_ratio({1: 4.0}, {1: 0.0}) is None


def test_cosines() -> None:
    assert cosine([1.0, 0.0], [2.0, 0.0]) == pytest.approx(1.0)
    assert cosine([1.0, 0.0], [0.0, 3.0]) == 0.0
    assert cosine([1.0, 1.0], [-1.0, -1.0]) == pytest.approx(-1.0)
    assert cosine([0.0, 0.0], [1.0, 1.0]) == 0.0


def test_the_worst_text_counts() -> None:
    assert least_cosine([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [3.0, 4.0]]) == pytest.approx(0.6)


@pytest.mark.parametrize("others", [[[1.0, 0.0]], [[1.0, 0.0], [1.0]], []])
def test_vectors_that_do_not_correspond_are_refused(others: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"zip\(\)|empty"):
        least_cosine([[1.0, 0.0], [1.0, 0.0]] if others else [], others)


def test_texts_that_look_alike_are_told_apart_without_their_mean() -> None:
    ours = [[1.0, 0.001, 0.0], [1.0, 0.0, 0.001], [1.0, -0.001, -0.001]]
    swapped = [ours[1], ours[0], ours[2]]
    assert least_cosine(swapped, ours) > 0.999
    assert least_cosine(less_the_mean(swapped, ours), less_the_mean(ours, ours)) < 0.9
    assert least_cosine(less_the_mean(ours, ours), less_the_mean(ours, ours)) == pytest.approx(1.0)
