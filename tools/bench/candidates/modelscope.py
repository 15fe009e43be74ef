"""ModelScope's pipeline, in calls of 32 texts, each padded to its longest; not cut at 128 tokens, its default."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tools.bench.candidates.turns import BATCH, MODEL, Encode, take_turns


def load() -> Encode:
    """Make the pipeline."""
    pipeline: Any = import_module("modelscope.pipelines").pipeline
    task = import_module("modelscope.utils.constant").Tasks.sentence_embedding
    embedding = pipeline(task, model=str(MODEL), sequence_length=512)

    def encode(texts: Sequence[str]) -> Any:
        found: list[Any] = []
        for begin in range(0, len(texts), BATCH):
            found.extend(embedding(input={"source_sentence": list(texts[begin : begin + BATCH])})["text_embedding"])
        return found

    return encode


if __name__ == "__main__":
    take_turns(load)
