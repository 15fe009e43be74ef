"""The machine's limit: the linear products of BERT's layers and nothing else, as fast as torch's libraries do them.

A layer has six: query, key, value and output (width x width), and the two of the inner layer. Four layers' weights
are taken in turn, so that they come from memory as they do in the whole model, and the time is taken times
layers / 4. Attention, norms and activations come on top in any real engine: nobody reaches 100 %.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tools.bench.candidates.serve import MODEL, available_cpus, serve

TOKENS = 512
"""Rows of the matrices: as many tokens as the longest text has, the size of our batches."""

DIFFERENT_LAYERS = 4
REPEATS = 5

Product = Callable[[Tensor, Any, Tensor], Tensor]
"""Rows, weights in the form that the library wants, bias: the rows' products."""


def products() -> dict[str, tuple[Product, Callable[[Tensor], Any]]]:
    """By name: a library's product, and what it makes of the weights beforehand."""
    found: dict[str, tuple[Product, Callable[[Tensor], Any]]] = {"torch": (functional.linear, lambda weight: weight)}
    if torch.backends.mkldnn.is_available():
        pointwise = torch.ops.mkldnn._linear_pointwise
        found["oneDNN"] = (lambda x, weight, bias: pointwise(x, weight, bias, "none", [], ""), lambda weight: weight)
        reorder = torch.ops.mkldnn._reorder_linear_weight
        found["oneDNN, weights laid out"] = (found["oneDNN"][0], lambda weight: reorder(weight, TOKENS))
    return found


def main() -> None:
    """Measure once for each request."""
    torch.set_num_threads(available_cpus())
    config = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))
    width, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    shapes = [(width, width)] * 4 + [(inner, width), (width, inner)]
    raw = [torch.randn(shape) * 0.02 for _ in range(DIFFERENT_LAYERS) for shape in shapes]
    rows = {size: torch.randn(TOKENS, size) for size in (width, inner)}
    bias = {size: torch.zeros(size) for size in (width, inner)}
    forms = {name: (product, [form(weight) for weight in raw]) for name, (product, form) in products().items()}

    def seconds(product: Product, weights: list[Any]) -> float:
        taken: list[float] = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            for weight, plain in zip(weights, raw, strict=True):
                product(rows[plain.shape[1]], weight, bias[plain.shape[0]])
            taken.append((time.perf_counter() - begun) * layers / DIFFERENT_LAYERS)
        # Not the least: engines are measured as the machine is, not at its best moments.
        return statistics.median(taken)

    def answer(_: dict[str, Any]) -> dict[str, Any]:
        with torch.inference_mode():
            measured = {name: seconds(product, weights) for name, (product, weights) in forms.items()}
        best = min(measured.values())
        rates = {name: TOKENS / taken for name, taken in measured.items()}
        return {"seconds": best, "tokens": TOKENS, "tokens_per_second": rates}

    serve(answer)


if __name__ == "__main__":
    main()
