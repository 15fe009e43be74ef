"""The model as tasks see it: vectors of texts, those of the prototypes, and what computing them took."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine import Encoded
from gte_service.errors import RequestError

_Derived = TypeVar("_Derived")


class TextEncoder(Protocol):
    """The part of `Encoder` that a request needs."""

    dimensions: int

    def encode(self, texts: Sequence[str], deadline: float, token_vectors: bool) -> Encoded:
        """The vectors of some texts, computed before the deadline."""


@dataclass(frozen=True)
class Passage:
    """A text, or parts of it, that requests are compared with.

    Attributes:
        text: the text.
        spans: the parts to compare with, as (start, end) in characters; none means the entire text.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()


class Prototypes:
    """The vectors of a task's prototypes, and values derived from them.

    Attributes:
        vectors: float32, shape (prototypes of the task, hidden_size), each row of length 1.
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors
        self._derived: dict[Hashable, Any] = {}

    def derived(self, derive: Callable[[Tensor], _Derived]) -> _Derived:
        """The result of `derive(vectors)`, computed by the first call and kept."""
        if derive not in self._derived:
            self._derived[derive] = derive(self.vectors)
        result: _Derived = self._derived[derive]
        return result


class VectorCache:
    """Vectors of texts that clients send repeatedly, such as labels. Thread-safe; drops the least recently used."""

    def __init__(self, capacity: int = 2048) -> None:
        self._capacity = capacity
        self._vectors: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Tensor | None:
        """The vector kept under a key, or None."""
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
            return self._vectors.get(key)

    def put(self, key: Hashable, vector: Tensor) -> None:
        """Keep a vector."""
        with self._lock:
            self._vectors[key] = vector
            self._vectors.move_to_end(key)
            while len(self._vectors) > self._capacity:
                self._vectors.popitem(last=False)


class Model:
    """The model as one request sees it: it computes within the request's deadline, and sums what its calls took.

    For one thread at a time.

    Attributes:
        prototypes: those of every task, by its name.
        phases: seconds of the calls so far, those that failed included, by phase: `tokenize`, `queue` and `inference`;
            empty before the first.
        tokens: tokens computed, including special ones.
        truncated: texts that were cut off.
        batch_tokens: tokens of the computations that held one of the texts, including other requests' tokens.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        prototypes: Mapping[str, Prototypes],
        cache: VectorCache,
        deadline: float = math.inf,
    ) -> None:
        """Use a loaded model for one request.

        Args:
            encoder: the loaded model.
            prototypes: those of every task, by its name.
            cache: vectors of texts that requests have sent before; shared by all requests.
            deadline: the `time.monotonic()` at which the request is given up.
        """
        self.prototypes = prototypes
        self.phases: dict[str, float] = {}
        self.tokens = 0
        self.truncated = 0
        self.batch_tokens = 0
        self._encoder = encoder
        self._cache = cache
        self._deadline = deadline

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return self._encoder.dimensions

    def encode(self, texts: Sequence[str], *, token_vectors: bool = False) -> Encoded:
        """The vectors of some texts; arguments and errors are those of `Encoder.encode`."""
        try:
            encoded = self._encoder.encode(texts, self._deadline, token_vectors)
        except RequestError as error:
            self._add(error.phases)
            raise
        self._add(
            {
                "tokenize": encoded.tokenize_seconds,
                "queue": encoded.queue_seconds,
                "inference": encoded.inference_seconds,
            }
        )
        self.tokens += encoded.tokens
        self.truncated += encoded.truncated
        self.batch_tokens += encoded.batch_tokens
        return encoded

    def _add(self, phases: Mapping[str, float]) -> None:
        for phase, seconds in phases.items():
            self.phases[phase] = self.phases.get(phase, 0.0) + seconds

    def encode_cached(self, texts: Sequence[str], *, token_means: bool = False) -> Tensor:
        """The vectors of texts that are likely to be sent again: only those not in the cache are computed.

        Args:
            texts: the texts.
            token_means: whether to return the mean of each text's token vectors instead of its own vector.

        Returns:
            float32, shape (texts, hidden_size), each row of length 1.
        """
        cached = {text: self._cache.get((token_means, text)) for text in dict.fromkeys(texts)}
        found = {text: vector for text, vector in cached.items() if vector is not None}
        missing = [text for text in cached if text not in found]
        if missing:
            encoded = self.encode(missing, token_vectors=token_means)
            for number, text in enumerate(missing):
                vector = encoded.vectors[number]
                if token_means and len(encoded.token_vectors[number].vectors):
                    vector = functional.normalize(encoded.token_vectors[number].vectors.mean(0), dim=0)
                found[text] = vector
                # A copy: a row would keep the result of the entire computation in memory.
                self._cache.put((token_means, text), vector.clone())
        return torch.stack([found[text] for text in texts])
