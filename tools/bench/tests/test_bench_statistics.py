"""The figures of the report are what they are called."""

from __future__ import annotations

import pytest

from tools.bench.statistic import least_cosine, less_the_mean, paired_ratio


def test_ratios_are_of_the_same_round() -> None:
    # The machine was slow for both in round 2: the ratio of the medians would be 1.5.
    ours, theirs = {1: 20.0, 2: 2.0, 3: 30.0}, {1: 10.0, 2: 1.0, 3: 15.0}
    assert paired_ratio(ours, theirs) == 2.0


def test_a_round_that_only_one_has_is_left_out() -> None:
    assert paired_ratio({1: 4.0, 2: 100.0}, {1: 2.0}) == 2.0
    assert paired_ratio({1: 4.0}, {2: 2.0}) is None
    assert paired_ratio({1: 4.0}, {1: 0.0}) is None


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
