"""infinity-emb's engine, without its server: the same settings as the server gets (see bench/services.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tools.bench.candidates.turns import BATCH, MODEL, Encode, take_turns


def load() -> Encode:
    """Start the engine; its batching runs between two calls as well, in threads of its own."""
    library: Any = import_module("infinity_emb")
    settings = library.EngineArgs(
        model_name_or_path=str(MODEL),
        engine="torch",
        device="cpu",
        dtype="float32",
        batch_size=BATCH,
        bettertransformer=False,
        model_warmup=False,
    )
    loop = asyncio.new_event_loop()
    engine = library.AsyncEmbeddingEngine.from_args(settings)
    loop.run_until_complete(engine.astart())

    def encode(texts: Sequence[str]) -> Any:
        vectors, _ = loop.run_until_complete(engine.embed(sentences=list(texts)))
        return vectors

    return encode


if __name__ == "__main__":
    take_turns(load)
