"""The common part of `ner`, `relation` and `event`: spans of a text, typed by built-in types or a client's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gte_service.engine import TokenVectors
from gte_service.tasks.fields import Body, required, text_of
from gte_service.tasks.model import Model, Prototypes, in_parts
from gte_service.tasks.protocol import Schema, answer_each
from gte_service.tasks.prototypes.classes import Classes, mean_of
from gte_service.tasks.prototypes.files import NONE
from gte_service.tasks.prototypes.labels import LABELS, Label, labels_of, own_classes
from gte_service.tasks.schemas import TEXT, one_or_many, request_of
from gte_service.tasks.spans.entities import as_read


class SpanTask(ABC):
    """A task that needs the vectors of a text's tokens and accepts `types`."""

    def __init__(self, name: str) -> None:
        self.request: Schema = request_of(
            name,
            {
                "input_text": one_or_many(TEXT, "A text, or a list of texts."),
                "types": {**LABELS, "minItems": 1, "description": "Your own types instead of the built-in ones."},
            },
        )

    @abstractmethod
    def result_of(self, text: str, tokens: TokenVectors, types: Sequence[Label] | None, model: Model) -> object:
        """The result for one text, as far as the model has read it, by the client's types or the built-in ones."""

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        value = required(body, "input_text")
        types = labels_of(body["types"], "types", max_texts, least=1) if "types" in body else None

        def results(texts: Sequence[str]) -> list[object]:
            parts = in_parts(texts)
            return [
                self.result_of(as_read(text, tokens), tokens, types, model)
                for part, encoded in zip(parts, model.encode_parts(parts, token_vectors=True), strict=True)
                for text, tokens in zip(part, encoded.token_vectors, strict=True)
            ]

        return answer_each(value, max_texts, text_of, results)


def classes_of(
    types: Sequence[Label] | None, prototypes: Prototypes, fitted: Callable[[Tensor], Classes], model: Model
) -> Classes:
    """The built-in classes, or a client's own with the built-in `none` for spans that match no type.

    Args:
        types: the client's own.
        prototypes: those of the task.
        fitted: makes the built-in classes of their vectors.
        model: computes the vectors of types that aren't cached.
    """
    built_in = prototypes.derived(fitted)
    if not types:
        return built_in
    own = own_classes(types, built_in.temperature, model, token_means=True)
    none = built_in.centroids[built_in.labels.index(NONE)]
    classes = Classes((*own.labels, NONE), torch.vstack([own.centroids, none]), own.temperature)
    return classes.above_floors(prototypes.derived(mean_of))
