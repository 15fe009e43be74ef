"""The forward pass of BERT over texts without padding.

The tokens of several texts form one matrix; attention stays within each text. Padding would cost more than it saves
on a CPU. The architecture is that of Devlin et al. 2019 (arXiv:1810.04805), with the weights' names of the published
checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine.pooling import Pooling
from gte_service.engine.precision import Layout, Precision
from gte_service.errors import ModelFilesError


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
    def read(cls, path: Path) -> BertShape:
        """Read a `config.json`.

        Raises:
            ModelFilesError: the file is missing, is not JSON, lacks a size, or describes another architecture.
        """
        try:
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            shape = cls(
                **{name: int(config[name]) for name in cls.__dataclass_fields__ if name != "layer_norm_eps"},
                layer_norm_eps=float(config.get("layer_norm_eps", 1e-12)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFilesError(f"{path} describes no BERT model ({error!r}): copy the model again.") from error
        odd = {
            "model_type": config.get("model_type", "bert") != "bert",
            "hidden_act": config.get("hidden_act", "gelu") != "gelu",
            "position_embedding_type": config.get("position_embedding_type", "absolute") != "absolute",
            "hidden_size": shape.hidden_size % shape.num_attention_heads != 0,
        }
        wrong = [name for name, is_odd in odd.items() if is_odd]
        if wrong:
            raise ModelFilesError(
                f"{path}: {', '.join(f'{name}={config.get(name)!r}' for name in wrong)} is not supported; "
                "this service runs BERT with GELU and absolute positions, as GTE is."
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
