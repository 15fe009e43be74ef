"""What a model folder declares, read as a whole: its parts must fit each other and be something this engine can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gte_service.engine.bert import BertShape
from gte_service.engine.pooling import Pooling, read_pooling
from gte_service.engine.tokens import BertTokenizer
from gte_service.errors import ModelFilesError
from gte_service.model_folder import CONFIG, TOKENIZER, VOCABULARY, ModelFolder

# Vocabularies are often filled up to a multiple of one of these, for the sake of matrix products.
_MULTIPLES = (8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Declared:
    """A model folder's configuration: the network's sizes, how texts become tokens, and tokens one vector."""

    shape: BertShape
    pooling: Pooling
    tokenizer: BertTokenizer


def read_declared(folder: Path, weights: Mapping[str, Sequence[int]]) -> Declared:
    """Read the configuration of a model folder, published or prepared.

    Args:
        folder: the model folder.
        weights: the size of each weight that it holds, by its name in `BertShape.layout`.

    Raises:
        ModelFilesError: a file can't be used, declares what this engine doesn't do, or doesn't fit the others.
    """
    files = ModelFolder(folder)
    shape = BertShape.read(folder / files.own(CONFIG), weights)
    tokenizer = BertTokenizer(folder, shape.max_position_embeddings)
    _require_fitting(files, tokenizer.vocab_size, shape.vocab_size)
    return Declared(shape, read_pooling(folder, shape.hidden_size), tokenizer)


def _require_fitting(files: ModelFolder, tokens: int, vectors: int) -> None:
    """Compare the vocabulary with the vectors that the model has for it."""
    is_json = files.has(files.own(TOKENIZER))
    name = files.own(TOKENIZER if is_json else VOCABULARY)
    # Half a JSON file can't be read at all; half a vocab.txt is a smaller vocabulary.
    is_filled = any(vectors == -(-tokens // multiple) * multiple for multiple in _MULTIPLES)
    if tokens > vectors or not (tokens == vectors or is_filled or (is_json and vectors - tokens < max(_MULTIPLES))):
        raise ModelFilesError(
            f"{files.path / name} has {tokens} tokens, but the model has vectors for {vectors}: the file is cut off, "
            "or the two do not belong together. Copy the model again."
        )
