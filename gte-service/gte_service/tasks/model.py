"""The model as tasks see it: vectors of texts, those of the prototypes, and what computing them took."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine import Allowance, Encoded
from gte_service.errors import RequestError

_Derived = TypeVar("_Derived")
_Item = TypeVar("_Item")
_TEXTS_AT_ONCE = 64


class TextEncoder(Protocol):
    """The part of `Encoder` that a request needs."""

    dimensions: int

    def encode_parts(
        self, parts: Sequence[Sequence[str]], deadline: float, token_vectors: bool, allowance: Allowance
    ) -> Iterator[Encoded]:
        """The vectors of some texts, computed part by part before the deadline and within the allowance."""


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
    """The model as one request sees it: it computes within its deadline and allowance, and sums what its calls took.

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
        allowance: Allowance | None = None,
    ) -> None:
        """Use a loaded model for one request.

        Args:
            encoder: the loaded model.
            prototypes: those of every task, by its name.
            cache: vectors of texts that requests have sent before; shared by all requests.
            deadline: the `time.monotonic()` at which the request is given up.
            allowance: what the request may have computed; None: anything.
        """
        self.prototypes = prototypes
        self.phases: dict[str, float] = {}
        self.tokens = 0
        self.truncated = 0
        self.batch_tokens = 0
        self._encoder = encoder
        self._cache = cache
        self._deadline = deadline
        self._allowance = allowance or Allowance()
        self._own: dict[tuple[bool, tuple[str, ...]], Tensor] = {}

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return self._encoder.dimensions

    def encode(self, texts: Sequence[str], *, token_vectors: bool = False) -> Encoded:
        """The vectors of some texts; arguments and errors are those of `Encoder.encode`."""
        (encoded,) = self.encode_parts([texts], token_vectors=token_vectors)
        return encoded

    def encode_parts(self, parts: Sequence[Sequence[str]], *, token_vectors: bool = False) -> Iterator[Encoded]:
        """The vectors of texts in parts; arguments and errors are those of `Encoder.encode_parts`."""
        try:
            for encoded in self._encoder.encode_parts(parts, self._deadline, token_vectors, self._allowance):
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
                yield encoded
        except RequestError as error:
            self._add(error.phases)
            raise

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
        # A span task asks for its types once for each of its texts.
        key = (token_means, tuple(texts))
        if key not in self._own:
            self._own[key] = self._cached_or_computed(texts, token_means)
        return self._own[key]

    def _cached_or_computed(self, texts: Sequence[str], token_means: bool) -> Tensor:
        cached = {text: self._cache.get((token_means, text)) for text in dict.fromkeys(texts)}
        found = {text: vector for text, vector in cached.items() if vector is not None}
        missing = [text for text in cached if text not in found]
        # Counted like those that are computed: what other requests have left in the cache must not decide.
        self._allowance.add_texts(len(found))
        parts = in_parts(missing)
        for part, encoded in zip(parts, self.encode_parts(parts, token_vectors=token_means), strict=True):
            for number, text in enumerate(part):
                vector = encoded.vectors[number]
                if token_means and len(encoded.token_vectors[number].vectors):
                    vector = functional.normalize(encoded.token_vectors[number].vectors.mean(0), dim=0)
                # A copy: a row would keep the result of the entire computation in memory.
                found[text] = vector.clone()
                self._cache.put((token_means, text), found[text])
        return torch.stack([found[text] for text in texts])


def in_parts(items: Sequence[_Item], texts_in: Callable[[_Item], int] = lambda _: 1) -> list[list[_Item]]:
    """Items in parts whose token vectors can be held: of 64 texts at most 134 MB with the size of GTE-large.

    Args:
        items: the items.
        texts_in: how many texts an item has; one of more than 64 is a part of its own.
    """
    parts: list[list[_Item]] = []
    room = 0
    for item in items:
        if texts_in(item) > room:
            parts.append([])
            room = _TEXTS_AT_ONCE
        parts[-1].append(item)
        room -= texts_in(item)
    return parts
