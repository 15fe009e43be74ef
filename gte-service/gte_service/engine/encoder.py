"""Texts to vectors: tokenise, wait for the one computation at a time, run the model, normalise."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional

from gte_service.engine.bert import Bert, BertShape
from gte_service.engine.store.prepared import WEIGHTS_FILE
from gte_service.engine.tokens import BertTokenizer, TokenizedText
from gte_service.errors import ModelFilesError

PROBE_TEXT = "模型已经可以回答。"
# Tokens in one forward pass: enough to fill the matrix products, few enough to keep the activations small.
TOKEN_BUDGET = 4096


@dataclass(frozen=True)
class Encoded:
    """What came of encoding some texts.

    Attributes:
        vectors: float32, shape (texts, hidden_size), each row of length 1.
        tokens: tokens computed, special ones included.
        truncated: texts that were cut at 512 tokens.
        tokenize_seconds: time spent cutting the texts.
        queue_seconds: time spent waiting for another computation to end.
        inference_seconds: time spent in the model.
    """

    vectors: Tensor
    tokens: int
    truncated: int
    tokenize_seconds: float
    queue_seconds: float
    inference_seconds: float


class Encoder:
    """A loaded model. Thread-safe; computes for one caller at a time."""

    def __init__(self, folder: Path) -> None:
        """Map the weights of a prepared folder and check that they fit together.

        Raises:
            ModelFilesError: the folder is incomplete or damaged.
        """
        self._tokenizer = BertTokenizer(folder)
        shape = BertShape.read(folder / "config.json")
        if self._tokenizer.vocab_size > shape.vocab_size:
            raise ModelFilesError(
                f"{folder}: vocab.txt has {self._tokenizer.vocab_size} tokens, config.json only {shape.vocab_size}: "
                "the two do not belong together. Copy the model again."
            )
        self._bert = Bert(shape, map_weights(folder / WEIGHTS_FILE))
        self._one_at_a_time = threading.Lock()
        self.dimensions = shape.hidden_size

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Turn texts into unit vectors: the first token's vector of the last layer, L2-normalised.

        Args:
            texts: at least one text; what exceeds 512 tokens is cut off and counted.
        """
        begun = time.perf_counter()
        tokenized = self._tokenizer.tokenize(texts)
        cut = time.perf_counter()
        with self._one_at_a_time:
            admitted = time.perf_counter()
            vectors = torch.cat([self._bert.cls_vectors(batch) for batch in _batches(tokenized)])
            vectors = functional.normalize(vectors, dim=1)
            done = time.perf_counter()
        return Encoded(
            vectors=vectors,
            tokens=sum(len(text.ids) for text in tokenized),
            truncated=sum(text.truncated for text in tokenized),
            tokenize_seconds=cut - begun,
            queue_seconds=admitted - cut,
            inference_seconds=done - admitted,
        )

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


def map_weights(path: Path) -> dict[str, Tensor]:
    """Map a safetensors file: its pages are shared by all processes that map it.

    Raises:
        ModelFilesError: the file is missing or not a whole safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise ModelFilesError(f"{path} is not a whole weights file ({error}): remove its folder.") from error


def _batches(texts: Sequence[TokenizedText]) -> Iterator[list[list[int]]]:
    batch: list[list[int]] = []
    tokens = 0
    for text in texts:
        if batch and tokens + len(text.ids) > TOKEN_BUDGET:
            yield batch
            batch, tokens = [], 0
        batch.append(text.ids)
        tokens += len(text.ids)
    yield batch
