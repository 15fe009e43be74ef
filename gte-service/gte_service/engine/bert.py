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

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight the forward pass uses."""
        width, inner = self.hidden_size, self.intermediate_size
        shapes: dict[str, tuple[int, ...]] = {
            "embeddings.word_embeddings.weight": (self.vocab_size, width),
            "embeddings.position_embeddings.weight": (self.max_position_embeddings, width),
            "embeddings.token_type_embeddings.weight": (self.type_vocab_size, width),
            "embeddings.LayerNorm.weight": (width,),
            "embeddings.LayerNorm.bias": (width,),
        }
        for layer in range(self.num_hidden_layers):
            for name, rows, columns in (
                ("attention.self.query", width, width),
                ("attention.self.key", width, width),
                ("attention.self.value", width, width),
                ("attention.output.dense", width, width),
                ("intermediate.dense", inner, width),
                ("output.dense", width, inner),
            ):
                shapes[f"encoder.layer.{layer}.{name}.weight"] = (rows, columns)
                shapes[f"encoder.layer.{layer}.{name}.bias"] = (rows,)
            for name in ("attention.output.LayerNorm", "output.LayerNorm"):
                shapes[f"encoder.layer.{layer}.{name}.weight"] = (width,)
                shapes[f"encoder.layer.{layer}.{name}.bias"] = (width,)
        return shapes


class Bert:
    """A BERT encoder over weights that somebody else holds, for example a memory-mapped file."""

    def __init__(self, shape: BertShape, weights: Mapping[str, Tensor]) -> None:
        """Take the weights as they are, without a copy.

        Raises:
            ModelFilesError: a weight is missing or has another shape than `shape` asks for.
        """
        for name, wanted in shape.weights().items():
            found = tuple(weights[name].shape) if name in weights else None
            if found != wanted:
                raise ModelFilesError(
                    f"weight {name}: {'missing' if found is None else f'has shape {found}'}, "
                    f"config.json asks for {wanted}. The files do not belong together: copy the model again."
                )
        self.shape = shape
        self._weights = weights

    @torch.inference_mode()
    def cls_vectors(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """The last layer's vector of each text's first token.

        Args:
            texts: token ids of each text, 1 to `max_position_embeddings` long.

        Returns:
            float32, shape (texts, hidden_size).
        """
        lengths = [len(ids) for ids in texts]
        starts = torch.tensor([0, *lengths]).cumsum(0)[:-1]
        hidden = self._embed(
            torch.tensor([token for ids in texts for token in ids]),
            torch.cat([torch.arange(length) for length in lengths]),
        )
        last = self.shape.num_hidden_layers - 1
        for layer in range(last):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, hidden, lengths, lengths)
        # Nobody asks for the other rows of the last layer.
        return self._layer(f"encoder.layer.{last}.", hidden[starts], hidden, [1] * len(lengths), lengths)

    def _embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        weights = self._weights
        hidden = functional.embedding(ids, weights["embeddings.word_embeddings.weight"])
        hidden = hidden + functional.embedding(positions, weights["embeddings.position_embeddings.weight"])
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        return self._norm("embeddings.LayerNorm", hidden)

    def _layer(self, prefix: str, hidden: Tensor, context: Tensor, rows: list[int], context_rows: list[int]) -> Tensor:
        """One layer for the rows of `hidden`, each text's attending to that text's rows of `context`."""
        attention = f"{prefix}attention.self."
        query = self._linear(attention + "query", hidden)
        key, value = (self._linear(attention + part, context) for part in ("key", "value"))
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
        inner = functional.gelu(self._linear(f"{prefix}intermediate.dense", hidden))
        return self._norm(f"{prefix}output.LayerNorm", self._linear(f"{prefix}output.dense", inner) + hidden)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        heads = self.shape.num_attention_heads
        query, key, value = (part.view(len(part), heads, -1).transpose(0, 1) for part in (query, key, value))
        return functional.scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1)

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, name: str, hidden: Tensor) -> Tensor:
        return functional.layer_norm(
            hidden,
            (self.shape.hidden_size,),
            self._weights[f"{name}.weight"],
            self._weights[f"{name}.bias"],
            self.shape.layer_norm_eps,
        )
