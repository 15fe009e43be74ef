"""The few statistics of the report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (above 0, up to 1) of all don't exceed, by nearest rank: one that was measured.

    Raises:
        ValueError: there are no values, or the share is out of range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    # A product such as 0.07 * 100 lies a hair above the whole number that is meant.
    return sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]


def paired_ratio(over: Mapping[int, float], under: Mapping[int, float]) -> float | None:
    """The median over rounds of one figure divided by another of the same round; None where they share none.

    In pairs, because a machine that is slow for a while is slow for both.
    """
    ratios = [over[number] / under[number] for number in over.keys() & under.keys() if under[number]]
    return statistics.median(ratios) if ratios else None


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Cosine of two vectors of the same length; 0 where one of them is 0.

    Raises:
        ValueError: they differ in length.
    """
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.hypot(*one) * math.hypot(*other)
    return product / lengths if lengths else 0.0


def least_cosine(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> float:
    """The least cosine of the vectors at the same place.

    Raises:
        ValueError: they differ in number or in length, or there are none.
    """
    return min(cosine(one, other) for one, other in zip(some, others, strict=True))


def less_the_mean(vectors: Sequence[Sequence[float]], of: Sequence[Sequence[float]]) -> list[list[float]]:
    """The vectors less the mean of others of the same length: what is each text's own.

    A model's vectors may have so much in common that any two of them have a cosine near 1, and a wrong one would pass
    for the right one. What remains without their mean tells texts apart.

    Raises:
        ValueError: they differ in length.
    """
    mean = [statistics.fmean(numbers) for numbers in zip(*of, strict=True)]
    return [[number - middle for number, middle in zip(vector, mean, strict=True)] for vector in vectors]
