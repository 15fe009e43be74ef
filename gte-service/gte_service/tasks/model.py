"""What a task may ask of the model: vectors of texts, and those of its own prototypes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine import Encoded

_Made = TypeVar("_Made")


class Encode(Protocol):
    """Texts to vectors, within the deadline of the request in hand; see `Encoder.encode`."""

    def __call__(self, texts: Sequence[str], *, token_vectors: bool = False) -> Encoded: ...  # noqa: D102


@dataclass(frozen=True)
class Passage:
    """A text, or parts of it, to be compared with.

    Attributes:
        text: the text.
        spans: the parts that count, as (start, end) in characters; none means the whole text.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()


class Prototypes:
    """The vectors of a task's prototypes, and what the task makes of them, once.

    Attributes:
        vectors: float32, shape (prototypes of the task, hidden_size), each row of length 1.
    """

    def __init__(self, vectors: Tensor) -> None:
        """Hold the vectors."""
        self.vectors = vectors
        self._made: dict[Hashable, Any] = {}

    def made(self, make: Callable[[Tensor], _Made]) -> _Made:
        """What a function makes of the vectors; it is called for the first request only."""
        if make not in self._made:
            self._made[make] = make(self.vectors)
        result: _Made = self._made[make]
        return result


class VectorCache:
    """Vectors of texts that come again and again, such as the labels of a client. Thread-safe; drops the oldest."""

    def __init__(self, most: int = 2048) -> None:
        """Hold at most so many vectors."""
        self._most = most
        self._vectors: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Tensor | None:
        """A vector, or None."""
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
            return self._vectors.get(key)

    def put(self, key: Hashable, vector: Tensor) -> None:
        """Hold a vector."""
        with self._lock:
            self._vectors[key] = vector
            self._vectors.move_to_end(key)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)


@dataclass(frozen=True)
class Model:
    """The model as one request of one task sees it.

    Attributes:
        encode: texts to vectors.
        prototypes: those of every task, by its name.
        cache: vectors of texts that were known before.
    """

    encode: Encode
    prototypes: Mapping[str, Prototypes]
    cache: VectorCache = field(default_factory=VectorCache)

    def known(self, texts: Sequence[str], *, token_means: bool = False) -> Tensor:
        """The vectors of texts that are likely to come again: computed once.

        Args:
            texts: the texts.
            token_means: the means of their tokens' vectors instead of their own.

        Returns:
            float32, shape (texts, hidden_size), each row of length 1.
        """
        cached = {text: self.cache.get((token_means, text)) for text in dict.fromkeys(texts)}
        found = {text: vector for text, vector in cached.items() if vector is not None}
        missing = [text for text in cached if text not in found]
        if missing:
            encoded = self.encode(missing, token_vectors=token_means)
            for number, text in enumerate(missing):
                vector = encoded.vectors[number]
                if token_means and len(encoded.token_vectors[number].vectors):
                    vector = functional.normalize(encoded.token_vectors[number].vectors.mean(0), dim=0)
                found[text] = vector
                # A copy: a row would keep the whole computation's result alive.
                self.cache.put((token_means, text), vector.clone())
        return torch.stack([found[text] for text in texts])
