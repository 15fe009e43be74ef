"""Texts to encode: seeded, Chinese, as long as those of a search service."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

SHORTEST, LONGEST = 4, 214
_MEAN = 39
_WIDTH = 0.75
"""Standard deviation of the lengths' logarithm: one text in twelve is then longer than twice the mean."""

_MATERIAL = Path(__file__).resolve().parents[2] / "loadtest/texts/sentences.txt"
_CJK = range(0x4E00, 0x9F96)
"""The characters that are in the vocabulary of the model that code writes; in BERT's, so is each one used here."""


def make_texts(count: int, seed: str) -> list[str]:
    """So many texts; the same ones for the same seed.

    Their lengths are evenly spaced quantiles of a log-normal distribution, so that eight texts are spread as a
    thousand are, and every round is as much work as the others. Characters are drawn from the load test's texts:
    what they say makes no difference to the time.
    """
    rng = random.Random(seed)  # noqa: S311 (nothing secret)
    characters = _characters()
    lengths = [_length((number + 0.5) / count) for number in range(count)]
    rng.shuffle(lengths)
    return ["".join(rng.choices(characters, k=length)) for length in lengths]


def check_texts(seed: str) -> list[str]:
    """A few texts to compare vectors with, one of them so long that a cut at 128 tokens would change it.

    No longer than that: engines that pad compute all of them at its length.
    """
    rng = random.Random(seed)  # noqa: S311 (nothing secret)
    characters = _characters()
    return ["".join(rng.choices(characters, k=length)) for length in (9, _MEAN, 130)]


def count_tokens(texts: Sequence[str]) -> int:
    """Tokens that a model computes for them: BERT cuts Chinese into characters, and puts two more around a text."""
    return sum(len(text) + 2 for text in texts)


def _length(quantile: float) -> int:
    middle = math.log(_MEAN) - _WIDTH**2 / 2
    return min(LONGEST, max(SHORTEST, round(math.exp(NormalDist(middle, _WIDTH).inv_cdf(quantile)))))


def _characters() -> Sequence[str]:
    lines = _MATERIAL.read_text(encoding="utf-8").splitlines()
    text = "".join(line for line in lines if not line.startswith("#"))
    return sorted({character for character in text if ord(character) in _CJK})
