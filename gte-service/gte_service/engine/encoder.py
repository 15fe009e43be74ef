"""Texts to vectors: tokenise, compute in batches with other requests, normalise."""

from __future__ import annotations

import math
import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine.allowance import Allowance
from gte_service.engine.batcher import Batcher, Computed, Limits, Watcher
from gte_service.engine.bert import Bert
from gte_service.engine.compute_lock import ComputeLock
from gte_service.engine.declared import read_declared
from gte_service.engine.precision import precision_named
from gte_service.engine.store.checkpoint import map_safetensors
from gte_service.engine.store.prepared import WEIGHTS_FILE, prepare, read_prepared
from gte_service.engine.tokens import TokenizedText
from gte_service.errors import ModelFilesError, RequestError

PROBE_TEXT = "模型已经可以回答。"


@dataclass(frozen=True)
class TokenVectors:
    """The vectors of one text's tokens.

    Attributes:
        vectors: float32, shape (tokens, hidden_size), the last layer's output without special tokens.
        offsets: (start, end) of each token's characters in the text, in order.
    """

    vectors: Tensor
    offsets: Sequence[tuple[int, int]]

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self.offsets]

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self.offsets]

    @property
    def end(self) -> int:
        """The number of characters that the model has read; fewer than the text has where it was truncated."""
        return self.offsets[-1][1] if self.offsets else 0

    def mean(self, spans: Sequence[tuple[int, int]]) -> Tensor | None:
        """The mean of the tokens that overlap one of the spans, of length 1; None if no token does.

        Args:
            spans: parts of the text, as (start, end) in characters.
        """
        chosen: set[int] = set()
        for since, until in spans:
            if since < until:
                chosen.update(range(bisect_right(self._ends, since), bisect_left(self._starts, until)))
        return functional.normalize(self.vectors[sorted(chosen)].mean(0), dim=0) if chosen else None


@dataclass(frozen=True)
class Encoded:
    """The vectors of some texts, and what computing them took.

    Attributes:
        vectors: float32, shape (texts, hidden_size), each row of length 1.
        tokens: tokens computed, including special ones.
        truncated: texts that were cut off, because they have more tokens than the model takes.
        tokenize_seconds: time of tokenising the texts.
        queue_seconds: time during which none of the texts was being computed.
        inference_seconds: time of the computations that held one of the texts, possibly among other requests' texts.
        batch_tokens: tokens of those computations, including other requests' tokens.
        token_vectors: each text's, in order; empty unless requested.
    """

    vectors: Tensor
    tokens: int
    truncated: int
    tokenize_seconds: float
    queue_seconds: float
    inference_seconds: float
    batch_tokens: int
    token_vectors: Sequence[TokenVectors] = ()


class Encoder:
    """A loaded model. Thread-safe; texts of several callers are computed together.

    Attributes:
        dimensions: numbers in a vector.
        max_tokens: at which texts are cut, special tokens included.
        precision: what the linear layers are computed in.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits | None = None,
        watcher: Watcher | None = None,
        compute_lock: ComputeLock | None = None,
    ) -> None:
        """Map the weights of a prepared folder and check that they fit together.

        Args:
            folder: what `prepare` made.
            limits: how much may be computed together and how much may wait.
            watcher: gets callbacks about the queue and each computation.
            compute_lock: shared with other processes that compute on the same CPUs.

        Raises:
            ModelFilesError: the folder is incomplete or damaged.
            PrecisionError: this machine can't compute in the precision it was made for.
        """
        weights = map_safetensors(folder / WEIGHTS_FILE, "remove its folder")
        prepared = read_prepared(folder)
        if prepared is None:
            raise ModelFilesError(f"{folder} is not a complete prepared model. Remove it: it is then prepared again.")
        if not prepared.is_current:
            raise ModelFilesError(
                f"{folder} was prepared by another version of this service. Remove it: it is then prepared again."
            )
        declared = read_declared(folder, {name: tuple(weight.shape) for name, weight in weights.items()})
        self._tokenizer = declared.tokenizer
        bert = Bert(declared.shape, weights, precision_named(prepared.precision), declared.pooling)
        probe = self._tokenizer.tokenize([PROBE_TEXT])[0].ids
        self._pool = bert.pool
        self._batcher = Batcher(bert.forward, probe, limits, watcher, compute_lock)
        self.precision = prepared.precision
        self.dimensions = declared.shape.hidden_size
        self.max_tokens = declared.tokenizer.max_tokens

    def encode(self, texts: Sequence[str], deadline: float = math.inf, token_vectors: bool = False) -> Encoded:
        """Turn texts into unit vectors: pooled from the last layer as the model's configuration says, L2-normalised.

        Args:
            texts: at least one text; one of more tokens than the model takes is cut off there and counted as truncated.
            deadline: the `time.monotonic()` at which the request is given up.
            token_vectors: whether to return each token's vector as well, from the same computation.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: not all of it was computed in time.
            InferenceFailed: the model failed at these texts.
            ModelBroken: it hung, or fails at every text.
        """
        (encoded,) = self.encode_parts([texts], deadline, token_vectors)
        return encoded

    def encode_parts(
        self,
        parts: Sequence[Sequence[str]],
        deadline: float = math.inf,
        token_vectors: bool = False,
        allowance: Allowance | None = None,
    ) -> Iterator[Encoded]:
        """The same, with a request's texts in parts, so that only the vectors of one part are held at a time.

        Args:
            parts: each is computed when the one before it has been used.
            deadline: as above.
            token_vectors: as above.
            allowance: what the request may have computed, over all of its calls.

        Raises:
            TooLarge: all parts together are more than the allowance; nothing has been computed.
            RequestError: as above.
        """
        allowance = allowance or Allowance()
        allowance.add_texts(sum(map(len, parts)))
        begun = time.perf_counter()
        tokenized = self._tokenizer.tokenize([text for part in parts for text in part], offsets=token_vectors)
        tokenize_seconds = time.perf_counter() - begun
        at = 0
        for part in parts:
            texts = tokenized[at : at + len(part)]
            try:
                if not at:
                    allowance.add_tokens(sum(len(text.ids) for text in tokenized))
                computed = self._batcher.compute([text.ids for text in texts], deadline, token_vectors, allowance)
            except RequestError as error:
                error.phases["tokenize"] = tokenize_seconds
                raise
            yield self._encoded(texts, computed, token_vectors, tokenize_seconds)
            at += len(part)
            # The first part has had the time of all.
            tokenize_seconds = 0.0

    def _encoded(
        self, texts: Sequence[TokenizedText], computed: Computed, token_vectors: bool, tokenize_seconds: float
    ) -> Encoded:
        pooled = [self._pool(rows) for rows in computed.outputs] if token_vectors else computed.outputs
        return Encoded(
            vectors=functional.normalize(torch.stack(list(pooled)), dim=1),
            tokens=sum(len(text.ids) for text in texts),
            truncated=sum(text.truncated for text in texts),
            tokenize_seconds=tokenize_seconds,
            queue_seconds=computed.queue_seconds,
            inference_seconds=computed.inference_seconds,
            batch_tokens=computed.batch_tokens,
            # Without [CLS] and [SEP].
            token_vectors=[
                TokenVectors(rows[1:-1], text.offsets[1:-1]) for rows, text in zip(computed.outputs, texts, strict=True)
            ]
            if token_vectors
            else (),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the encoder's threads."""
        self._batcher.close()

    def probe(self) -> None:
        """Compute one text, as proof that the model works.

        Raises:
            ModelFilesError: the result is not a vector of length 1.
        """
        length = float(self.encode([PROBE_TEXT]).vectors.norm())
        if not abs(length - 1) < 1e-3:  # NaN compares false, so this form catches it
            raise ModelFilesError(
                f"the model answered the probe text with a vector of length {length:.3g} instead of 1: "
                "its weights are damaged. Copy the model again."
            )


def load_encoder(
    model: Path | str, *, precision: str = "fp32", home: Path | str | None = None, limits: Limits | None = None
) -> Encoder:
    """Load a model folder, as published or prepared, without a service around it.

    A computation uses as many threads as `torch.set_num_threads` allows.

    Args:
        model: a folder with config.json, a tokenizer and weights.
        precision: `fp32`, `bf16` or `int8`.
        home: where the prepared form is kept for reuse by every process that loads it; if None, `gte-service` in the
            user's cache folder.
        limits: how much may be computed together and how much may wait.

    Raises:
        ModelError: the folder holds no usable model, this machine can't compute in that precision, or `home` can't be
            written; the message says which.
    """
    if home is None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gte-service"
    return Encoder(prepare(Path(model), str(model), Path(home), precision=precision).folder, limits)
