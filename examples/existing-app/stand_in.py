"""A STAND-IN for ModelScope's pipeline: the same call and the same shape of result, with no model behind it.

Its vectors only count which characters a text has: texts that share characters are near. They say nothing of meaning.
"""

import math
import zlib
from typing import Any

DIMENSIONS = 1024
# Fails like a model that has run out of memory, so that one can see what a failure brings about.
DRILL = "故障演练"


class Tasks:
    """The one of ModelScope's tasks that the app uses."""

    sentence_embedding = "sentence-embedding"


class Pipeline:
    """What `pipeline` gives."""

    def __call__(self, input: dict[str, list[str]]) -> dict[str, Any]:  # noqa: A002 (ModelScope's name for it)
        """Vectors of the source and of what it is compared with, in this order, and the cosines between them."""
        source, *others = [_vector(text) for text in input["source_sentence"] + input.get("sentences_to_compare", [])]
        return {"text_embedding": [source, *others], "scores": [_cosine(source, other) for other in others]}


def pipeline(task: str, model: str) -> Pipeline:
    """As ModelScope's function of this name, but nothing is downloaded or loaded."""
    return Pipeline()


def _vector(text: str) -> list[float]:
    if text == DRILL:
        raise RuntimeError("the stand-in for the model fails on this text, as asked")
    counts = [0.0] * DIMENSIONS
    for character in text:
        counts[zlib.crc32(character.encode()) % DIMENSIONS] += 1.0
    length = math.hypot(*counts)
    return [count / length for count in counts]


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
