"""Compares two readings of counters: did exactly the expected ones rise, by exactly as much?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smoke.exposition import series


@dataclass(frozen=True, order=True)
class Series:
    """A counter: its name and its labels."""

    name: str
    labels: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, name: str, **labels: str) -> Series:
        """The series with this name and these labels."""
        return cls(name, tuple(sorted(labels.items())))

    def __str__(self) -> str:
        return series(self.name, dict(self.labels))


Reading = Mapping[Series, float]


@dataclass(frozen=True)
class Comparison:
    """What changed between two readings, beside what should have.

    Attributes:
        rises: by how much each series changed; those that didn't are not in it.
        expected: by how much each should have risen; the others not at all.
    """

    rises: Reading
    expected: Reading

    @property
    def exact(self) -> bool:
        """Exactly what was expected, and nothing else."""
        return dict(self.rises) == dict(self.expected)

    @property
    def may_still_come(self) -> bool:
        """No series has changed in a way that more time could not put right."""
        return all(0 <= rise <= self.expected.get(one, 0) for one, rise in self.rises.items())

    @property
    def fell(self) -> bool:
        """A counter went back: a process was started anew, or a replica has gone."""
        return any(rise < 0 for rise in self.rises.values())

    @property
    def others(self) -> Reading:
        """The changes that nothing of the expected explains."""
        return {one: rise for one, rise in self.rises.items() if rise != self.expected.get(one, 0)}

    @property
    def missing(self) -> Reading:
        """What each expected series still lacks."""
        lacks = {one: rise - self.rises.get(one, 0) for one, rise in self.expected.items()}
        return {one: lack for one, lack in lacks.items() if lack > 0}


def compare(before: Reading, after: Reading, expected: Reading) -> Comparison:
    """Compares two readings; a series that is in only one of them counts as 0 in the other."""
    changes = {one: after.get(one, 0.0) - before.get(one, 0.0) for one in {*before, *after}}
    return Comparison({one: rise for one, rise in changes.items() if rise}, expected)


def listing(reading: Reading) -> str:
    """A reading as one line: `a +1, b +2`."""
    return ", ".join(f"{one} {rise:+g}" for one, rise in sorted(reading.items()))
