"""The engines that are compared by themselves; compose.yaml says what their containers run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REFERENCE = "ours-fp32"
"""The candidate whose vectors the others' are compared with."""

PEAK = "peak"
"""The machine's limit: not an engine, it is measured in every round and has no vectors."""

PORT = 8000
"""Where candidates/serve.py listens."""


@dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes:
        title: what the table calls it.
        ours: whether it runs in our own image.
        fp32: whether its vectors must be those of our fp32.
    """

    title: str
    ours: bool = False
    fp32: bool = True


ENGINES: Mapping[str, Engine] = {
    PEAK: Engine("the machine's limit (matrix products alone)", ours=True),
    REFERENCE: Engine("ours, fp32", ours=True),
    "ours-bf16": Engine("ours, bf16", ours=True, fp32=False),
    "ours-int8": Engine("ours, int8", ours=True, fp32=False),
    "modelscope": Engine("ModelScope's pipeline, calls of 32"),
    "sentence-transformers": Engine("sentence-transformers, batches of 32"),
    "infinity": Engine("infinity-emb's engine"),
    "padded": Engine("transformers, padded batches of 32"),
    "plain": Engine("transformers, one text at a time"),
}
