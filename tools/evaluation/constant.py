"""Writes a model that says nothing: every text and every token has the same vector, so that rules answer alone.

Needs the service and PyTorch: python -m tools.evaluation.constant FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from gte_service.engine.store.synthetic import write_lexical
from tools import cli

_LAST = "encoder.layer.0.output.LayerNorm.bias"


def write_constant(folder: Path) -> None:
    """Write the model folder: the demo model with all weights 0, but for what the last layer adds to every token."""
    write_lexical(folder)
    file = folder / "pytorch_model.bin"
    weights = torch.load(file, weights_only=True)
    torch.save({name: torch.full_like(weight, float(name.endswith(_LAST))) for name, weight in weights.items()}, file)


def main() -> int:
    """Write the folder that the command line names; returns the exit status."""
    parser = cli.parser(
        "python -m tools.evaluation.constant", __doc__ or "", cli.EXIT_STATUS.format(good="done", bad="never")
    )
    parser.add_argument("folder", type=Path, help="the folder to write")
    write_constant(parser.parse_args().folder)
    return cli.OK


if __name__ == "__main__":
    sys.exit(cli.run("constant", main))
