"""The few statistics of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Quartiles(NamedTuple):
    """A quarter of all values don't exceed the first, half of them the second, three quarters the third."""

    first: float
    median: float
    third: float


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (above 0, up to 1) of all don't exceed, by nearest rank: one that was measured.

    Raises:
        ValueError: there are no values, or the share is out of range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    # A product such as 0.07 * 100 lies a hair above the whole number that is meant.
    return sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]


def quartiles(values: Sequence[float]) -> Quartiles:
    """The quartiles, by nearest rank.

    Raises:
        ValueError: there are no values.
    """
    return Quartiles(percentile(values, 0.25), percentile(values, 0.5), percentile(values, 0.75))
