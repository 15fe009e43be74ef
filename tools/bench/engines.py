"""The engines that are compared by themselves: what they are called, and how their containers start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REFERENCE = "ours-fp32"
"""The candidate whose vectors the others' are compared with."""

PEAK = "peak"
"""The name of the machine's limit among the results."""


@dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes:
        title: what the table calls it.
        module: its program, in bench/candidates/.
        arguments: of that program.
        environment: the rivals' environment it runs in, "" for our own image.
        fp32: whether its vectors must be those of our fp32.
        precision: of our own, "" for rivals.
    """

    title: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: str = ""
    fp32: bool = True
    precision: str = ""

    @property
    def command(self) -> list[str]:
        """What its container runs."""
        python = f"/opt/{self.environment}/bin/python" if self.environment else "python"
        return [python, "-m", f"tools.bench.candidates.{self.module}", *self.arguments]


ENGINES: Mapping[str, Engine] = {
    REFERENCE: Engine("ours, fp32", "ours", ("fp32",), precision="fp32"),
    "ours-bf16": Engine("ours, bf16", "ours", ("bf16",), fp32=False, precision="bf16"),
    "ours-int8": Engine("ours, int8", "ours", ("int8",), fp32=False, precision="int8"),
    "modelscope": Engine("ModelScope's pipeline, calls of 32", "modelscope", environment="modelscope"),
    "sentence-transformers": Engine(
        "sentence-transformers, batches of 32", "sentence_transformers", environment="sentence-transformers"
    ),
    "infinity": Engine("infinity-emb's engine", "infinity", environment="infinity"),
    "padded": Engine(
        "transformers, padded batches of 32", "plain_transformers", ("32",), environment="sentence-transformers"
    ),
    "plain": Engine(
        "transformers, one text at a time", "plain_transformers", ("1",), environment="sentence-transformers"
    ),
}

LIMIT = Engine("the machine's limit", "peak")
"""Not an engine: the matrix products alone, measured in every round."""
