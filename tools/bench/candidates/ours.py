"""Our own engine, as the service uses it: `python -m tools.bench.candidates.ours fp32|bf16|int8`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gte_service.engine import load_encoder
from tools.bench.candidates.turns import MODEL, Encode, take_turns


def load() -> Encode:
    """Prepare the weights in a folder of this container, and load them."""
    encoder: Any = load_encoder(MODEL, precision=sys.argv[1], home=Path(tempfile.mkdtemp(dir="/scratch")))

    def encode(texts: Sequence[str]) -> Any:
        return encoder.encode(texts).vectors

    return encode


if __name__ == "__main__":
    take_turns(load)
