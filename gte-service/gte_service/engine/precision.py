"""The linear layers in each precision: how their weights are stored in the file, and their products with activations.

Only the linear layers differ: they hold nine tenths of GTE's weights and take nearly all of the time. Embeddings,
attention, norms and sums are 32-bit floats in every precision. Every weight is a plain tensor, used as it is in the
mapped file: weights packed for one library would be private memory of each worker.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.errors import PrecisionError

# The tensors that a quantised layer has besides its weight and bias.
SCALE = "weight_scale"
SUM = "weight_sum"
_LARGEST = 127
# Levels of activations, above 0.
_LEVELS = 255
# What two weights of one sign may add up to: _LEVELS times that, and no more, has 16 bits with a sign.
_PAIR = 128

QuantizedInput = tuple[Tensor, ...]
"""Activations in the form that a precision multiplies with weights."""

Layout = dict[str, tuple[tuple[int, ...], torch.dtype]]
"""Shape and type of each tensor that a linear layer has in the file, by the last part of its name."""


class Precision(ABC):
    """How linear layers compute.

    Attributes:
        name: as in `PRECISIONS`.
        edition: of what `store` gives; what was prepared in another one is prepared again.
        least_speedup: times the speed of fp32 below which it is of no use, 0 for none.
    """

    name: ClassVar[str]
    edition: ClassVar[int] = 1
    least_speedup: ClassVar[float] = 0.0

    def require(self) -> None:  # noqa: B027 (fp32 has no requirement)
        """Check that this machine can compute in this precision.

        Raises:
            PrecisionError: it can't, or its products are wrong.
        """

    @abstractmethod
    def layout(self, rows: int, columns: int) -> Layout:
        """The tensors of a layer with `rows` outputs and `columns` inputs."""

    @abstractmethod
    def store(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Turn float32 weights (rows, columns) and bias (rows) into the tensors of `layout`."""

    @abstractmethod
    def quantize_input(self, hidden: Tensor) -> QuantizedInput:
        """Convert float32 activations (tokens, columns), once for all layers that take the same ones."""

    @abstractmethod
    def linear(self, quantized: QuantizedInput, weights: Mapping[str, Tensor], name: str) -> Tensor:
        """The layer's output, float32 (tokens, rows). `weights` holds its tensors under `name.` and their parts."""

    def linear_gelu(self, quantized: QuantizedInput, weights: Mapping[str, Tensor], name: str) -> Tensor:
        """As `linear`, with GELU (the exact one, with the error function) on top."""
        return functional.gelu(self.linear(quantized, weights, name))


class Fp32(Precision):
    """32-bit floats, as the model was trained and as other software computes it."""

    name = "fp32"

    def __init__(self) -> None:
        self._product = _fastest_product()

    def layout(self, rows: int, columns: int) -> Layout:
        return {"weight": ((rows, columns), torch.float32), "bias": ((rows,), torch.float32)}

    def store(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        return {"weight": weight, "bias": bias}

    def quantize_input(self, hidden: Tensor) -> QuantizedInput:
        return (hidden,)

    def linear(self, quantized: QuantizedInput, weights: Mapping[str, Tensor], name: str) -> Tensor:
        return self._product(quantized[0], weights[f"{name}.weight"], weights[f"{name}.bias"], gelu=False)

    def linear_gelu(self, quantized: QuantizedInput, weights: Mapping[str, Tensor], name: str) -> Tensor:
        return self._product(quantized[0], weights[f"{name}.weight"], weights[f"{name}.bias"], gelu=True)


class Bf16(Precision):
    """Products of 16-bit brain floats, summed in 32 bits; for CPUs that have them."""

    name = "bf16"

    def require(self) -> None:
        if not has_bf16():
            raise PrecisionError(
                "GTE_PRECISION=bf16: this CPU has no bf16 products (avx512_bf16 or amx_bf16 in /proc/cpuinfo), and "
                "without them it would be slower than fp32. Set fp32 or int8."
            )

    def layout(self, rows: int, columns: int) -> Layout:
        return {"weight": ((rows, columns), torch.bfloat16), "bias": ((rows,), torch.bfloat16)}

    def store(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        return {"weight": weight.bfloat16(), "bias": bias.bfloat16()}

    def quantize_input(self, hidden: Tensor) -> QuantizedInput:
        return (hidden.bfloat16(),)

    def linear(self, quantized: QuantizedInput, weights: Mapping[str, Tensor], name: str) -> Tensor:
        return functional.linear(quantized[0], weights[f"{name}.weight"], weights[f"{name}.bias"]).float()


class Int8(Precision):
    """Products of 8-bit integers, summed in 32 bits: dynamic quantisation.

    Each row of weights is w = s·p, p from -127 to 127. Each token's activations are x = t·q + m, q from 0 to 255: t is
    their range over 255, m the smallest. So x·w = t·s·(q·p) + m·s·Σp (Jacob et al. 2017, arXiv:1712.05877, section 2.3,
    with symmetric weights).

    CPUs that have AVX2 or AVX-512, but no sums of 8-bit products in 32 bits (VNNI), add the products of columns 2i and
    2i+1 in 16 bits (vpmaddubsw), which must not overflow. So s is the smallest scale at which no p is larger than 127
    and no two of one sign, in such columns, add up to more than 128. All CPUs compute the same from the same file.
    """

    name = "int8"
    edition = 2
    least_speedup = 1.5

    def require(self) -> None:
        # The largest activations, and rows of the largest pairs there may be.
        pairs = torch.tensor([[64, 64], [127, 1], [1, 127], [-64, -64], [-127, -1], [-1, -127], [127, -127], [0, 127]])
        integers, weight = torch.full((32, 512), _LEVELS, dtype=torch.uint8), pairs.repeat(64, 256).to(torch.int8)
        wanted = integers.to(torch.int32) @ weight.to(torch.int32).t()
        if not torch.equal(torch._int_mm(integers, weight.t()), wanted):
            raise PrecisionError(
                "GTE_PRECISION=int8: torch's 8-bit products are wrong on this CPU, so answers would be. Set fp32."
            )

    def layout(self, rows: int, columns: int) -> Layout:
        return {
            "weight": ((rows, columns), torch.int8),
            SCALE: ((rows,), torch.float32),
            SUM: ((rows,), torch.float32),
            "bias": ((rows,), torch.float32),
        }

    def store(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        pairs = functional.pad(weight, (0, weight.shape[1] % 2)).unflatten(1, (-1, 2))
        sums = torch.maximum(pairs.clamp_min(0).sum(2).amax(1), -pairs.clamp_max(0).sum(2).amin(1))
        # Rounding adds up to 1 to the sum of two: what stays half below the next integer stays at _PAIR.
        scale = torch.maximum(weight.abs().amax(1) / _LARGEST, sums / (_PAIR - 0.5))
        scale.clamp_min_(torch.finfo(torch.float32).tiny)
        quantised = (weight / scale[:, None]).round_()
        return {"weight": quantised.to(torch.int8), SCALE: scale, SUM: quantised.sum(1) * scale, "bias": bias}

    def quantize_input(self, hidden: Tensor) -> QuantizedInput:
        """Integers (tokens, columns), and each token's scale and value of integer 0, both (tokens, 1)."""
        # Not torch.aminmax, which takes eight times as long.
        smallest, largest = hidden.amin(1, keepdim=True), hidden.amax(1, keepdim=True)
        # 0 for a token whose values are all equal: its integers don't matter then, the smallest is the value.
        scale = (largest - smallest).div_(_LEVELS)
        return hidden.sub(smallest).div_(scale).round_().to(torch.uint8), scale, smallest

    def linear(self, quantized: QuantizedInput, weights: Mapping[str, Tensor], name: str) -> Tensor:
        integers, scale, smallest = quantized
        # On plain weights, with unsigned activations: oneDNN has fast code for these on all x86 CPUs, for signed ones
        # with VNNI only.
        sums = torch._int_mm(integers, weights[f"{name}.weight"].t()).to(torch.float32)
        result = torch.addcmul(weights[f"{name}.bias"], smallest, weights[f"{name}.{SUM}"])
        return result.addcmul_(sums.mul_(scale), weights[f"{name}.{SCALE}"])


def precision_named(name: str) -> Precision:
    """The precision of that name.

    Raises:
        PrecisionError: there is no such precision, or this machine can't compute in it.
    """
    if name not in PRECISIONS:
        raise PrecisionError(f"precision {name!r} is not one of {', '.join(PRECISIONS)}.")
    precision = PRECISIONS[name]()
    precision.require()
    return precision


PRECISIONS: Mapping[str, type[Fp32 | Bf16 | Int8]] = {kind.name: kind for kind in (Fp32, Bf16, Int8)}


class _Product(Protocol):
    """x·Wᵀ+b in float32, with GELU on top if it is asked for."""

    def __call__(self, hidden: Tensor, weight: Tensor, bias: Tensor, *, gelu: bool) -> Tensor: ...


def _fastest_product() -> _Product:
    """oneDNN's product where torch has it; `functional.linear` would take MKL's."""
    # On an EPYC with AVX-512 oneDNN's takes 0.6 to 0.9 of MKL's time, least for lone texts: `make bench` shows both.
    has_onednn = torch.backends.mkldnn.is_available()
    if has_onednn and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return _onednn_product
    return _torch_product


def _onednn_product(hidden: Tensor, weight: Tensor, bias: Tensor, *, gelu: bool) -> Tensor:
    product = torch.ops.mkldnn._linear_pointwise
    result: Tensor = product(hidden, weight, bias, "gelu" if gelu else "none", [], "none")
    return result


def _torch_product(hidden: Tensor, weight: Tensor, bias: Tensor, *, gelu: bool) -> Tensor:
    product = functional.linear(hidden, weight, bias)
    return functional.gelu(product) if gelu else product


def has_bf16() -> bool:
    """Whether this CPU multiplies 16-bit brain floats."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("arm_bf16"))
