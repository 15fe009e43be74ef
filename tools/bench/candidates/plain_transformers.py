"""The model in transformers, padded in batches of so many texts; the argument is their number."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch

from tools.bench.candidates.turns import MODEL, Encode, take_turns


def load() -> Encode:
    """Load model and tokenizer; texts go through in the order they come."""
    batch = int(sys.argv[1])
    # The checkers know nothing of what only the rivals' image has.
    transformers: Any = import_module("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModel.from_pretrained(MODEL, dtype=torch.float32).eval()

    def encode(texts: Sequence[str]) -> Any:
        found = []
        with torch.inference_mode():
            for begin in range(0, len(texts), batch):
                some = list(texts[begin : begin + batch])
                inputs = tokenizer(some, padding=True, truncation=True, max_length=512, return_tensors="pt")
                found.append(model(**inputs).last_hidden_state[:, 0])
        return torch.nn.functional.normalize(torch.cat(found), dim=1)

    return encode


if __name__ == "__main__":
    take_turns(load)
