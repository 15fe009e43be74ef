"""Measures how fast this machine computes one layer of a model in a precision, beside fp32."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gte_service.engine.bert import Bert, BertShape
from gte_service.engine.precision import Fp32, Precision, precision_named
from gte_service.engine.store.synthetic import GTE_LARGE
from gte_service.errors import PrecisionError

# Two short texts: about what is computed at a time for a few clients.
_TEXTS = (32, 32)
_ROUNDS = 7
# CPU time after which no further round begins: a slow CPU has fewer.
_SECONDS = 0.5
# Where torch has no fast code for a precision, a layer of GTE's size may take minutes: a small one comes first.
_SMALL = replace(GTE_LARGE, hidden_size=256, intermediate_size=1024, num_attention_heads=4)
_NO_FAST_CODE = 0.3
_SEED = 1


@dataclass(frozen=True)
class Speed:
    """How fast one layer is computed on one thread.

    Attributes:
        tokens_per_second: tokens through the layer in a second of CPU time.
        speedup: that, divided by the same in fp32; 1 for fp32.
    """

    tokens_per_second: float
    speedup: float


def measure_speed(name: str, shape: BertShape) -> Speed:
    """Compute one layer of the model's sizes in a precision and in fp32, by turns; takes about a second of CPU time.

    The weights are random. One thread computes, and its CPU time counts: other work on the machine matters little.

    Args:
        name: a name of `PRECISIONS`.
        shape: of the model.

    Raises:
        PrecisionError: this machine can't compute in the precision, or has no fast code for it. A small model gains
            less and is not refused: a layer of GTE's size decides.
    """
    precision = precision_named(name)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if name == Fp32.name:
            return _measure(precision, shape)
        if (small := _measure(precision, _SMALL).speedup) < _NO_FAST_CODE:
            raise PrecisionError(
                f"GTE_PRECISION={name}: torch has no fast products for it on this CPU (a small layer takes "
                f"{1 / small:.0f} times as long as in fp32); they need oneDNN, and AVX2 or better. Set fp32."
            )
        speed = _measure(precision, shape)
        if speed.speedup < precision.least_speedup:
            of_gte = _measure(precision, GTE_LARGE).speedup
            if of_gte < precision.least_speedup:
                raise PrecisionError(
                    f"GTE_PRECISION={name}: this CPU computes a layer of GTE at {of_gte:.2f} times the speed of fp32; "
                    f"less than {precision.least_speedup:g} is not worth the loss. Set fp32."
                )
    finally:
        torch.set_num_threads(threads)
    return speed


def _measure(precision: Precision, shape: BertShape) -> Speed:
    layer = replace(shape, vocab_size=1, type_vocab_size=1, num_hidden_layers=1)
    generator = torch.Generator().manual_seed(_SEED)
    weights = {name: torch.randn(size, generator=generator) * 0.02 for name, (size, _) in layer.layout(Fp32()).items()}
    compute = _forward(precision, layer, weights)
    if precision.name == Fp32.name:
        return Speed(sum(_TEXTS) / statistics.median(seconds for (seconds,) in _turns(compute)), 1.0)
    turns = _turns(compute, _forward(Fp32(), layer, weights))
    return Speed(
        sum(_TEXTS) / statistics.median(own for own, _ in turns),
        statistics.median(fp32 / own for own, fp32 in turns),
    )


def _forward(precision: Precision, layer: BertShape, weights: dict[str, Tensor]) -> Callable[[], object]:
    stored = dict(weights)
    for name in layer.linear_layers():
        parts = precision.store(stored.pop(f"{name}.weight"), stored.pop(f"{name}.bias"))
        stored |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
    bert = Bert(layer, stored, precision, "mean")
    return lambda: bert.forward([[0] * length for length in _TEXTS], [False] * len(_TEXTS))


def _turns(*computations: Callable[[], object]) -> list[tuple[float, ...]]:
    """Seconds of CPU time of each computation, round after round, the first of which doesn't count."""
    turns: list[tuple[float, ...]] = []
    until = time.thread_time() + _SECONDS
    while len(turns) <= _ROUNDS and (len(turns) < 2 or time.thread_time() < until):
        turns.append(tuple(_seconds(compute) for compute in computations))
    return turns[1:]


def _seconds(compute: Callable[[], object]) -> float:
    begun = time.thread_time()
    compute()
    return time.thread_time() - begun
