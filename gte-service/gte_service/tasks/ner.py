"""Task `ner`: the entities that a text names, with their types and places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gte_service.engine import TokenVectors
from gte_service.tasks.fields import Body, required, text_of
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, Task, answer_each
from gte_service.tasks.prototypes.classes import Classes
from gte_service.tasks.prototypes.labels import LABELS, Label, labels_of, own_classes
from gte_service.tasks.schemas import ENTITIES, TEXT, object_of, one_or_many, request_of
from gte_service.tasks.spans.candidates import nouns_of
from gte_service.tasks.spans.entities import (
    Entity,
    entity_classes,
    entity_prototypes,
    find_entities,
    typed,
    with_none,
)


class Ner:
    """Names and nouns that a segmenter finds, typed by the vectors of their tokens in this text."""

    name: ClassVar = "ner"
    summary: ClassVar = (
        "The entities of a text: person, place, organization, event, product, work, time, quantity, "
        "or types of your own."
    )
    example: ClassVar[Body] = {"task_type": "ner", "input_text": "张三在北京参加了奥运会"}
    request: ClassVar[Schema] = request_of(
        name,
        {
            "input_text": one_or_many(TEXT, "A text, or a list of texts."),
            "types": {**LABELS, "minItems": 1, "description": "Entity types of your own instead of the built-in ones."},
        },
    )
    result: ClassVar[Schema] = object_of({"entities": ENTITIES})
    prototypes: ClassVar[Sequence[Passage]] = entity_prototypes()

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        """`{"entities": […]}` for each text; see `Task.answer`."""
        value = required(body, "input_text")
        types = labels_of(body["types"], "types", max_texts, least=1) if "types" in body else None
        return answer_each(value, max_texts, text_of, lambda texts: _entities(texts, types, model))


def _entities(texts: Sequence[str], types: Sequence[Label] | None, model: Model) -> list[object]:
    classes = _classes(types, model) if types else None
    found = [
        _own(text, tokens, classes) if classes else find_entities(text, tokens, model)
        for text, tokens in zip(texts, model.encode(texts, token_vectors=True).token_vectors, strict=True)
    ]
    return [{"entities": [entity.json() for entity in entities]} for entities in found]


def _own(text: str, tokens: TokenVectors, classes: Classes) -> list[Entity]:
    return typed(text, nouns_of(text), tokens, classes)


def _classes(types: Sequence[Label], model: Model) -> Classes:
    built_in = model.prototypes["ner"].made(entity_classes)
    return with_none(own_classes(types, built_in.temperature, model, token_means=True), built_in)


TASK: Task = Ner()
