"""Task `ner`: the entities of a text, with their types and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gte_service.engine import TokenVectors
from gte_service.tasks.fields import Body
from gte_service.tasks.model import Model
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.prototypes.labels import Label
from gte_service.tasks.schemas import ENTITIES, object_of
from gte_service.tasks.spans.candidates import candidates_of, nouns_of
from gte_service.tasks.spans.entities import entity_classes, entity_prototypes, typed
from gte_service.tasks.spans.task import SpanTask, classes_of


class Ner(SpanTask):
    """Names and nouns that a segmenter finds, typed by the vectors of their tokens in this text."""

    name: ClassVar = "ner"
    summary: ClassVar = (
        "The entities of a text: person, place, organization, event, product, work, time, quantity, or your own types."
    )
    example: ClassVar[Body] = {"task_type": "ner", "input_text": "张三在北京参加了奥运会"}
    result: ClassVar[Schema] = object_of({"entities": ENTITIES})
    prototypes = entity_prototypes()

    def __init__(self) -> None:
        super().__init__(self.name)

    def result_of(self, text: str, tokens: TokenVectors, types: Sequence[Label] | None, model: Model) -> object:
        classes = classes_of(types, model.prototypes[self.name], entity_classes, model)
        # The built-in candidates are chosen for the built-in types; a client's own types may be any noun.
        candidates = nouns_of(text) if types else candidates_of(text)
        return {"entities": [entity.json() for entity in typed(text, candidates, tokens, classes)]}


TASK: Task = Ner()
