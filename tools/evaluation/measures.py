"""The formulas: from what was expected and what was found to figures between 0 and 1."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Overlap:
    """How many things were expected, found, and both.

    Precision, recall and F1 as C. J. van Rijsbergen defines them (Information Retrieval, 1979, chapter 7), counted over
    all examples together ("micro"), as the CoNLL-2003 shared task does for entities.

    Attributes:
        right: things found that were expected.
        found: things found.
        expected: things expected.
    """

    right: int
    found: int
    expected: int

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of what was expected that was found; 1 where nothing was expected."""
        return self.right / self.expected if self.expected else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall: 2 right / (found + expected); 1 where there is neither."""
        return 2 * self.right / (self.found + self.expected) if self.found + self.expected else 1.0


def overlap(expected: Sequence[Collection[object]], found: Sequence[Collection[object]]) -> Overlap:
    """Counts over examples: what is at the same place of both belongs together; a thing counts once an example.

    Raises:
        ValueError: they differ in number.
    """
    examples = [(set(wanted), set(given)) for wanted, given in zip(expected, found, strict=True)]
    return Overlap(
        sum(len(wanted & given) for wanted, given in examples),
        sum(len(given) for _, given in examples),
        sum(len(wanted) for wanted, _ in examples),
    )


def accuracy(right: Collection[bool]) -> float:
    """The share of the examples that are right.

    Raises:
        ValueError: there are none.
    """
    if not right:
        raise ValueError("no share of nothing")
    return sum(right) / len(right)


def bare(text: str) -> str:
    """A text without punctuation (Unicode's category P) and white space at its ends.

    Whether 《呐喊》 or 呐喊 is the name of a book is a matter of habit, not of understanding.
    """
    inside = [number for number, character in enumerate(text) if not _is_rim(character)]
    return text[inside[0] : inside[-1] + 1] if inside else ""


def bare_span(text: str, start: int, end: int) -> tuple[int, int]:
    """A span of a text, in code points, less punctuation and white space at its ends.

    A span that holds nothing else stays as it is.
    """
    inside = [number for number in range(start, min(end, len(text))) if not _is_rim(text[number])]
    return (inside[0], inside[-1] + 1) if inside else (start, end)


def character_f1(expected: str, found: str) -> float:
    """F1 over the characters of two texts, each as often as it occurs, in any order.

    That of SQuAD (Rajpurkar et al., 2016, section 6.1), with characters for words, as Chinese doesn't separate words.
    """
    common = sum((Counter(expected) & Counter(found)).values())
    return Overlap(common, len(found), len(expected)).f1


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean.

    Raises:
        ValueError: there are no values.
    """
    numbers = list(values)
    if not numbers:
        raise ValueError("no mean of nothing")
    return math.fsum(numbers) / len(numbers)


def _is_rim(character: str) -> bool:
    return unicodedata.category(character).startswith("P") or character.isspace()
