"""sentence-transformers: sorts by length, then pads batches of 32."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch

from tools.bench.candidates.turns import BATCH, MODEL, Encode, take_turns


def load() -> Encode:
    """Load the model with its modules: first token, then length 1."""
    library: Any = import_module("sentence_transformers")
    model = library.SentenceTransformer(str(MODEL), device="cpu", model_kwargs={"dtype": torch.float32})
    model.max_seq_length = 512

    def encode(texts: Sequence[str]) -> Any:
        return model.encode(list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)

    return encode


if __name__ == "__main__":
    take_turns(load)
