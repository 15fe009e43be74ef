"""What a task may ask of the model: vectors of texts, and those of its own prototypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from gte_service.engine import Encoded

Encode = Callable[[Sequence[str]], Encoded]
"""Texts to vectors, within the deadline of the request in hand; see `Encoder.encode`."""


@dataclass(frozen=True)
class Passage:
    """A text, or parts of it, to be compared with.

    Attributes:
        text: the text.
        spans: the parts that count, as (start, end) in characters; none means the whole text.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Model:
    """The model as one request of one task sees it.

    Attributes:
        encode: texts to vectors.
        prototypes: float32, shape (prototypes of the task, hidden_size), each row of length 1.
    """

    encode: Encode
    prototypes: Tensor
