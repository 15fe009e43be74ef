"""The forward pass of BERT over texts without padding.

The tokens of several texts form one matrix; attention stays within each text. Padding would cost more than it saves
on a CPU. The architecture is that of Devlin et al. 2019 (arXiv:1810.04805), with the weights' names of the published
checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine.pooling import Pooling
from gte_service.engine.precision import Layout, Precision
from gte_service.errors import ModelFilesError
from gte_service.model_folder import ModelFolder

# As BERT's own configuration has them, for a config.json that doesn't give them.
_DEFAULTS = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
# The weight, and its axis, that has each size.
_TOLD_BY = {
    "vocab_size": ("embeddings.word_embeddings.weight", 0),
    "hidden_size": ("embeddings.word_embeddings.weight", 1),
    "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
    "type_vocab_size": ("embeddings.token_type_embeddings.weight", 0),
    "intermediate_size": ("encoder.layer.0.intermediate.dense.weight", 0),
}
# What would change the computation, with the values that this engine computes.
_ONLY: Mapping[str, tuple[object, ...]] = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "quantization_config": (),
    "auto_map": ({},),
    "pruned_heads": ({},),
}


@dataclass(frozen=True)
class BertShape:
    """The sizes of a BERT model, named as in its `config.json`."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float

    @classmethod
    def read(cls, path: Path, weights: Mapping[str, Sequence[int]] | None = None) -> BertShape:
        """Read a `config.json`.

        Args:
            path: the file.
            weights: the size of each weight of the model, by its name in `layout`; a size that the file doesn't give
                is that of the weights, or BERT's own without them.

        Raises:
            ModelFilesError: the file can't be used, has a size that is none, or describes another architecture.
        """
        config = ModelFolder(path.parent).json(path.name)
        odd = [name for name, only in _ONLY.items() if config.get(name) not in (None, *only)]
        if odd:
            raise ModelFilesError(
                f"{path}: {', '.join(f'{name}={config[name]!r}' for name in odd)} is not supported; "
                "this service runs BERT with GELU and absolute positions, as GTE is."
            )
        given = {name: config[name] for name in _DEFAULTS if config.get(name) is not None}
        told = _sizes_of(weights or {})
        sizes = _DEFAULTS | told | given
        wrong = [name for name, size in sizes.items() if not _is_size(size)]
        epsilon = config.get("layer_norm_eps", 1e-12)
        if not isinstance(epsilon, int | float) or isinstance(epsilon, bool) or not 0 < epsilon < 1:
            wrong.append("layer_norm_eps")
        if wrong:
            shown = ", ".join(f"{name}={config.get(name)!r}" for name in wrong)
            raise ModelFilesError(f"{path}: {shown} is no size: copy the model again.")
        apart = [f"{name}={given[name]}, but the weights have {told[name]}" for name in given
                 if given[name] != told.get(name, given[name])]  # fmt: skip
        if apart:
            raise ModelFilesError(
                f"{path} says {', '.join(apart)}: the files do not belong together. Copy the model again."
            )
        shape = cls(**{name: int(size) for name, size in sizes.items()}, layer_norm_eps=float(epsilon))
        if shape.hidden_size % shape.num_attention_heads:
            raise ModelFilesError(
                f"{path}: hidden_size={shape.hidden_size} can't be shared out among "
                f"num_attention_heads={shape.num_attention_heads}: copy the model again."
            )
        return shape

    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """Outputs and inputs of every linear layer, by its name."""
        width, inner = self.hidden_size, self.intermediate_size
        return {
            f"encoder.layer.{layer}.{name}": sizes
            for layer in range(self.num_hidden_layers)
            for name, sizes in (
                ("attention.self.query", (width, width)),
                ("attention.self.key", (width, width)),
                ("attention.self.value", (width, width)),
                ("attention.output.dense", (width, width)),
                ("intermediate.dense", (inner, width)),
                ("output.dense", (width, inner)),
            )
        }

    def layout(self, precision: Precision) -> Layout:
        """Shape and type of every weight that the forward pass uses, by its name."""
        width = (self.hidden_size,)
        names: dict[str, tuple[int, ...]] = {
            "embeddings.word_embeddings.weight": (self.vocab_size, *width),
            "embeddings.position_embeddings.weight": (self.max_position_embeddings, *width),
            "embeddings.token_type_embeddings.weight": (self.type_vocab_size, *width),
        }
        norms = ["embeddings.LayerNorm"]
        for layer in range(self.num_hidden_layers):
            norms += [f"encoder.layer.{layer}.{name}.LayerNorm" for name in ("attention.output", "output")]
        names |= {f"{norm}.{part}": width for norm in norms for part in ("weight", "bias")}
        layout: Layout = {name: (shape, torch.float32) for name, shape in names.items()}
        for name, sizes in self.linear_layers().items():
            layout |= {f"{name}.{part}": entry for part, entry in precision.layout(*sizes).items()}
        return layout


def _sizes_of(weights: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The sizes that the weights themselves tell, under their names in `config.json`."""
    found: dict[str, int] = {}
    for name, (weight, axis) in _TOLD_BY.items():
        if weight in weights:
            found[name] = weights[weight][axis]
    if layers := [int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer.")]:
        found["num_hidden_layers"] = 1 + max(layers)
    return found


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Bert:
    """A BERT encoder over weights that it doesn't own, for example those of a memory-mapped file."""

    def __init__(self, shape: BertShape, weights: Mapping[str, Tensor], precision: Precision, pooling: Pooling) -> None:
        """Use the weights without copying them.

        Raises:
            ModelFilesError: a weight is missing, or its shape or type differs from that of `shape` and `precision`.
        """
        check_weights(weights, shape.layout(precision))
        self.shape = shape
        self._weights = weights
        self._precision = precision
        self._pooling = pooling

    @torch.inference_mode()
    def forward(self, texts: Sequence[Sequence[int]], with_token_vectors: Sequence[bool]) -> list[Tensor]:
        """The last layer's output for each text, not normalised.

        Args:
            texts: token ids of each text, 1 to `max_position_embeddings` long.
            with_token_vectors: for each text, whether to return the vectors of all its tokens or just the pooled one.

        Returns:
            for each text float32, shape (hidden_size,), pooled; or (tokens, hidden_size) with token vectors.
        """
        lengths = [len(ids) for ids in texts]
        hidden = self._embed(
            torch.tensor([token for ids in texts for token in ids]),
            torch.cat([torch.arange(length) for length in lengths]),
        )
        last = self.shape.num_hidden_layers - 1
        for layer in range(last):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, hidden, lengths, lengths)
        if self._pooling == "mean" or all(with_token_vectors):
            rows, queries = lengths, hidden
        else:
            # The other rows of the last layer are not needed.
            rows = [length if all_rows else 1 for length, all_rows in zip(lengths, with_token_vectors, strict=True)]
            parts = zip(torch.split(hidden, lengths), rows, strict=True)
            queries = torch.cat([part[:count] for part, count in parts])
        hidden = self._layer(f"encoder.layer.{last}.", queries, hidden, rows, lengths)
        return [
            part if all_rows else self.pool(part)
            for part, all_rows in zip(torch.split(hidden, rows), with_token_vectors, strict=True)
        ]

    def pool(self, rows: Tensor) -> Tensor:
        """The text's vector, shape (hidden_size,), from its tokens' vectors, of which `[CLS]` is the first."""
        return rows.mean(0) if self._pooling == "mean" else rows[0]

    def _embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        weights = self._weights
        hidden = functional.embedding(ids, weights["embeddings.word_embeddings.weight"])
        hidden = hidden + functional.embedding(positions, weights["embeddings.position_embeddings.weight"])
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        return self._norm("embeddings.LayerNorm", hidden)

    def _layer(self, prefix: str, hidden: Tensor, context: Tensor, rows: list[int], context_rows: list[int]) -> Tensor:
        """One layer for the rows of `hidden`, where each text attends to its own rows of `context`."""
        linear, weights = self._precision.linear, self._weights
        quantized = self._precision.quantize_input(context)
        key, value = (linear(quantized, weights, f"{prefix}attention.self.{part}") for part in ("key", "value"))
        if hidden is not context:
            quantized = self._precision.quantize_input(hidden)
        query = linear(quantized, weights, f"{prefix}attention.self.query")
        attended = torch.cat(
            [
                self._attend(*parts)
                for parts in zip(
                    torch.split(query, rows),
                    torch.split(key, context_rows),
                    torch.split(value, context_rows),
                    strict=True,
                )
            ]
        )
        hidden = self._norm(
            f"{prefix}attention.output.LayerNorm", self._linear(f"{prefix}attention.output.dense", attended) + hidden
        )
        quantized = self._precision.quantize_input(hidden)
        inner = self._precision.linear_gelu(quantized, weights, f"{prefix}intermediate.dense")
        return self._norm(f"{prefix}output.LayerNorm", self._linear(f"{prefix}output.dense", inner) + hidden)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        heads = self.shape.num_attention_heads
        # A batch of one: torch has a fused kernel for four dimensions only.
        query, key, value = (part.view(1, len(part), heads, -1).transpose(1, 2) for part in (query, key, value))
        return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)[0].flatten(1)

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return self._precision.linear(self._precision.quantize_input(hidden), self._weights, name)

    def _norm(self, name: str, hidden: Tensor) -> Tensor:
        return functional.layer_norm(
            hidden,
            (self.shape.hidden_size,),
            self._weights[f"{name}.weight"],
            self._weights[f"{name}.bias"],
            self.shape.layer_norm_eps,
        )


def check_weights(weights: Mapping[str, Tensor], layout: Layout) -> None:
    """Check that every weight of `layout` is present, with its shape and type.

    Raises:
        ModelFilesError: one is missing or differs; the message names it.
    """
    for name, (shape, kind) in layout.items():
        found = weights.get(name)
        if found is None or tuple(found.shape) != shape or found.dtype != kind:
            problem = "is missing" if found is None else f"has shape {tuple(found.shape)} of {found.dtype}"
            raise ModelFilesError(
                f"weight {name} {problem}; {shape} of {kind} is expected. "
                "The files do not belong together: copy the model again."
            )
