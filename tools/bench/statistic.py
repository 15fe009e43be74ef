"""Ratios in pairs, and how far vectors differ."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tools.cli import cosine


def paired_ratio(over: Mapping[int, float], under: Mapping[int, float]) -> float | None:
    """The median over rounds of one figure divided by another of the same round; None where they share none.

    In pairs, because a machine that is slow for a while is slow for both.
    """
    ratios = [over[number] / under[number] for number in over.keys() & under.keys() if under[number]]
    return statistics.median(ratios) if ratios else None


def least_cosine(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> float:
    """The least cosine of the vectors at the same place.

    Raises:
        ValueError: they differ in number or in length, or there are none.
    """
    return min(cosine(left, right) for left, right in zip(some, others, strict=True))


def less_the_mean(vectors: Sequence[Sequence[float]], of: Sequence[Sequence[float]]) -> list[list[float]]:
    """The vectors less the mean of others of the same length: what is each text's own.

    A model's vectors may have so much in common that any two of them have a cosine near 1, and a wrong one would pass
    for the right one. What remains without their mean tells texts apart.

    Raises:
        ValueError: they differ in length.
    """
    mean = [statistics.fmean(numbers) for numbers in zip(*of, strict=True)]
    return [[number - middle for number, middle in zip(vector, mean, strict=True)] for vector in vectors]
