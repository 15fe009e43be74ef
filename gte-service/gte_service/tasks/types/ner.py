"""Task `ner`: the entities that a text names, with their types and places."""

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
        "The entities of a text: person, place, organization, event, product, work, time, quantity, "
        "or types of your own."
    )
    example: ClassVar[Body] = {"task_type": "ner", "input_text": "张三在北京参加了奥运会"}
    result: ClassVar[Schema] = object_of({"entities": ENTITIES})
    prototypes = entity_prototypes()

    def __init__(self) -> None:
        """Describe the request."""
        super().__init__(self.name)

    def result_of(self, text: str, tokens: TokenVectors, types: Sequence[Label] | None, model: Model) -> object:
        """`{"entities": […]}`; see `SpanTask`."""
        classes = classes_of(types, model.prototypes[self.name].made(entity_classes), model)
        # What the built-in types are made of says nothing of a client's own.
        candidates = nouns_of(text) if types else candidates_of(text)
        return {"entities": [entity.json() for entity in typed(text, candidates, tokens, classes)]}


TASK: Task = Ner()
