"""Texts to vectors: tokenise, compute together with what other requests want, normalise."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from torch import Tensor
from torch.nn import functional

from gte_service.engine.batcher import Batcher, Limits, Watcher
from gte_service.engine.bert import Bert, BertShape
from gte_service.engine.pooling import read_pooling
from gte_service.engine.precision import precision_named
from gte_service.engine.store.checkpoint import map_safetensors
from gte_service.engine.store.prepared import WEIGHTS_FILE, prepare, read_prepared
from gte_service.engine.tokens import BertTokenizer
from gte_service.engine.turns import Turns
from gte_service.errors import ModelFilesError

PROBE_TEXT = "模型已经可以回答。"


@dataclass(frozen=True)
class Encoded:
    """What came of encoding some texts.

    Attributes:
        vectors: float32, shape (texts, hidden_size), each row of length 1.
        tokens: tokens computed, special ones included.
        truncated: texts that were cut at 512 tokens.
        tokenize_seconds: time spent cutting the texts.
        queue_seconds: time during which none of the texts was being computed.
        inference_seconds: time of the computations that held one of the texts, and maybe texts of others.
    """

    vectors: Tensor
    tokens: int
    truncated: int
    tokenize_seconds: float
    queue_seconds: float
    inference_seconds: float


class Encoder:
    """A loaded model. Thread-safe; texts of several callers are computed together.

    Attributes:
        dimensions: numbers in a vector.
        precision: what the linear layers are computed in.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits | None = None,
        watcher: Watcher | None = None,
        turns: Turns | None = None,
    ) -> None:
        """Map the weights of a prepared folder and check that they fit together.

        Args:
            folder: what `prepare` made.
            limits: how much may be computed together and may wait.
            watcher: is told of the queue and of each computation.
            turns: are taken with other processes that compute on the same CPUs.

        Raises:
            ModelFilesError: the folder is incomplete or damaged.
            PrecisionError: this machine doesn't compute in the precision it was made for.
        """
        self._tokenizer = BertTokenizer(folder)
        shape = BertShape.read(folder / "config.json")
        if self._tokenizer.vocab_size > shape.vocab_size:
            raise ModelFilesError(
                f"{folder}: vocab.txt has {self._tokenizer.vocab_size} tokens, config.json only {shape.vocab_size}: "
                "the two do not belong together. Copy the model again."
            )
        weights = map_safetensors(folder / WEIGHTS_FILE, "remove its folder")
        prepared = read_prepared(folder)
        if prepared is None:
            raise ModelFilesError(f"{folder} is not a whole prepared model: remove it, then it is made again.")
        bert = Bert(shape, weights, precision_named(prepared.precision), read_pooling(folder))
        probe = self._tokenizer.tokenize([PROBE_TEXT])[0].ids
        self._batcher = Batcher(bert.vectors, probe, limits, watcher, turns)
        self.precision = prepared.precision
        self.dimensions = shape.hidden_size

    def encode(self, texts: Sequence[str], deadline: float = math.inf) -> Encoded:
        """Turn texts into unit vectors: pooled from the last layer as the model's configuration says, L2-normalised.

        Args:
            texts: at least one text; what exceeds 512 tokens is cut off and counted.
            deadline: `time.monotonic()` after which nobody waits for the answer any more.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: not all of it was computed in time.
            InferenceFailed: the model failed, or hung.
        """
        begun = time.perf_counter()
        tokenized = self._tokenizer.tokenize(texts)
        cut = time.perf_counter()
        computed = self._batcher.compute([text.ids for text in tokenized], deadline)
        return Encoded(
            vectors=functional.normalize(computed.vectors, dim=1),
            tokens=sum(len(text.ids) for text in tokenized),
            truncated=sum(text.truncated for text in tokenized),
            tokenize_seconds=cut - begun,
            queue_seconds=computed.queue_seconds,
            inference_seconds=computed.inference_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads of this encoder."""
        self._batcher.close()

    def probe(self) -> None:
        """Answer one text, as proof that the model works.

        Raises:
            ModelFilesError: the answer is not a vector of length 1.
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

    A computation takes as many threads as torch is set to (`torch.set_num_threads`).

    Args:
        model: a folder with config.json, vocab.txt and weights.
        precision: `fp32`, `bf16` or `int8`.
        home: where the prepared form is kept, to be found again and shared by all processes that load it;
            `gte-service` in the user's cache folder if None.
        limits: how much may be computed together and may wait.

    Raises:
        ModelError: there is no usable model in the folder, this machine doesn't compute in that precision, or `home`
            can't be written; the message says which.
    """
    if home is None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gte-service"
    return Encoder(prepare(Path(model), str(model), Path(home), precision=precision).folder, limits)
