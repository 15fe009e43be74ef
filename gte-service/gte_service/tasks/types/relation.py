"""Task `relation`: the relations between entities of a text, by the words between and after them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine import TokenVectors
from gte_service.tasks.fields import Body
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.prototypes.classes import Classes, fit
from gte_service.tasks.prototypes.files import NONE, marked_examples, read_data
from gte_service.tasks.prototypes.labels import Label
from gte_service.tasks.schemas import ENTITIES, SCORE, TYPED_SPAN, object_of
from gte_service.tasks.spans.candidates import LIKELY, SURE
from gte_service.tasks.spans.entities import Entity, find_entities, side_by_side
from gte_service.tasks.spans.segmenter import readable
from gte_service.tasks.spans.sentences import sentences_of
from gte_service.tasks.spans.task import SpanTask, classes_of

# Entities further apart than this are hardly ever related.
_FARTHEST = 40
# The characters after the second entity that can state a relation of both: 张三和李四结婚了.
_AFTERWARDS = 8


@dataclass(frozen=True)
class _Kind:
    """A relation: the entities it may hold between, and the words that state it.

    Attributes:
        name: its name.
        subjects: types of entities that may be its subject; none means any.
        objects: types of entities that may be its object; none means any.
        between: words between subject and object, in this order.
        after: words after both, with the subject before the object.
        reverse: words between object and subject, in this order.
        after_reverse: words after both, with the object before the subject.
    """

    name: str
    subjects: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    reverse: tuple[str, ...] = ()
    after_reverse: tuple[str, ...] = ()

    def admits(self, subject: Entity, obj: Entity) -> bool:
        """Whether it may hold between two entities, by their types."""
        return (not self.subjects or subject.type in self.subjects) and (not self.objects or obj.type in self.objects)

    def could_hold(self, entity: Entity) -> bool:
        """Whether an entity could be its subject or object, by its type."""
        return any(not types or entity.type in types for types in (self.subjects, self.objects))

    def is_stated(self, forward: bool, between: str, after: str) -> bool:
        """Whether words between or after two entities state it; `forward`: the subject comes first."""
        words_between = self.between if forward else self.reverse
        words_after = self.after if forward else self.after_reverse
        return any(word in between for word in words_between) or any(word in after for word in words_after)


class Relation(SpanTask):
    """Pairs of entities, related by trigger words and by the vectors of the words between and after them."""

    name: ClassVar = "relation"
    summary: ClassVar = (
        f"Pairs of entities and their relation: {', '.join(read_data('relation')['types'])}, or your own types."
    )
    example: ClassVar[Body] = {"task_type": "relation", "input_text": "马云是阿里巴巴集团的创始人，出生于杭州"}
    result: ClassVar[Schema] = object_of(
        {
            "entities": ENTITIES,
            "relations": {
                "type": "array",
                "items": object_of(
                    {"subject": TYPED_SPAN, "relation": {"type": "string"}, "object": TYPED_SPAN, "score": SCORE}
                ),
            },
        }
    )

    def __init__(self) -> None:
        super().__init__(self.name)
        self.prototypes = tuple(passage for passage, _ in _examples())

    def result_of(self, text: str, tokens: TokenVectors, types: Sequence[Label] | None, model: Model) -> object:
        classes = classes_of(types, model.prototypes[self.name], _classes, model)
        kinds = [
            _Kind(label.name, between=(label.name.lower(),), after=(label.name.lower(),)) for label in types or ()
        ] or _kinds()
        entities = find_entities(text, tokens, model)
        relations = [
            relation
            for start, end in sentences_of(text)
            for relation in _Sentence(
                text,
                end,
                [entity for entity in entities if start <= entity.start and entity.end <= end],
                tokens,
                kinds,
                classes,
            ).relations()
        ]
        return {"entities": [entity.json() for entity in entities], "relations": relations}


@dataclass(frozen=True)
class _Sentence:
    """A sentence with all that is needed to find its relations.

    Attributes:
        text: the entire text.
        end: where the sentence ends in it.
        entities: those of the sentence, in order.
        tokens: the vectors of the entire text's tokens.
        kinds: the relations to look for.
        classes: the classes of these relations and of `none`.
    """

    text: str
    end: int
    entities: Sequence[Entity]
    tokens: TokenVectors
    kinds: Sequence[_Kind]
    classes: Classes

    def relations(self) -> Iterator[object]:
        """The relation of each pair of entities that has one."""
        for place, first in enumerate(self.entities):
            for distance, second in enumerate(self.entities[place + 1 :]):
                if second.start - first.end > _FARTHEST:
                    break
                inside = self.entities[place + 1 : place + 1 + distance]
                directions = (self._relation(first, second, inside), self._relation(second, first, inside))
                found = [relation for relation in directions if relation]
                if found:
                    score, name, subject, obj = max(found, key=lambda relation: relation[0])
                    yield {
                        "subject": subject.place(),
                        "relation": name,
                        "object": obj.place(),
                        "score": round(score, 4),
                    }

    def _relation(
        self, subject: Entity, obj: Entity, inside: Sequence[Entity]
    ) -> tuple[float, str, Entity, Entity] | None:
        """The most probable relation of two entities in these roles, or None; `inside`: the entities between them."""
        last = max(subject.end, obj.end)
        between, after = _context(self._until(last), (subject.start, subject.end), (obj.start, obj.end))
        possible = [
            kind for kind in self.kinds if kind.admits(subject, obj) and not self._is_blocked(kind, between, inside)
        ]
        vector = self.tokens.mean([between, after]) if possible else None
        if vector is None:
            return None
        words = [readable(self.text[start:end]).lower() for start, end in (between, after)]
        evidence = self.classes.evidence(vector.unsqueeze(0))[0]
        logits = [
            float(evidence[self.classes.labels.index(kind.name)])
            + SURE * kind.is_stated(subject.start < obj.start, *words)
            for kind in possible
        ]
        # Without a word that states it, two entities are hardly ever related.
        logits.append(float(evidence[self.classes.labels.index(NONE)]) + LIKELY)
        score, best = functional.softmax(torch.tensor(logits), dim=0).max(dim=0)
        return (float(score), possible[int(best)].name, subject, obj) if int(best) < len(possible) else None

    def _until(self, last: int) -> int:
        """The end of the words about two entities, the last of which ends at `last`."""
        # Words after a third entity are about that one, unless it is a time or a quantity.
        others = self.entities[bisect_left(self.entities, last, key=lambda entity: entity.start) :]
        return next((entity.start for entity in others if entity.type not in {"time", "quantity"}), self.end)

    def _is_blocked(self, kind: _Kind, between: tuple[int, int], inside: Sequence[Entity]) -> bool:
        """Whether an entity between two others is nearer and could itself be in the relation.

        An entity listed together with either of the two doesn't count: 张三和李四毕业于清华大学.
        """
        start, end = between
        return any(
            kind.could_hold(entity)
            and not side_by_side(self.text, start, entity.start)
            and not side_by_side(self.text, entity.end, end)
            for entity in inside
        )


def _context(end: int, span: tuple[int, int], other: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The words between two spans, and those after both within a sentence that ends there."""
    first, second = sorted((span, other))
    return (first[1], second[0]), (second[1], min(end, second[1] + _AFTERWARDS))


@cache
def _kinds() -> tuple[_Kind, ...]:
    return tuple(
        _Kind(
            name,
            tuple(kind["subject"]),
            tuple(kind["object"]),
            **{place: tuple(map(str, words)) for place, words in kind["triggers"].items()},
        )
        for name, kind in read_data("relation")["types"].items()
    )


@cache
def _examples() -> tuple[tuple[Passage, str], ...]:
    """The words between and after subject and object of each example sentence, and the relation that they state."""
    found = []
    for example, name in marked_examples("relation"):
        subject, obj = example.one("subject"), example.one("object")
        spans = _context(len(example.text), (subject.start, subject.end), (obj.start, obj.end))
        found.append((Passage(example.text, tuple(span for span in spans if span[0] < span[1])), name))
    return tuple(found)


def _classes(vectors: Tensor) -> Classes:
    return fit((*(kind.name for kind in _kinds()), NONE), [name for _, name in _examples()], vectors)


TASK: Task = Relation()
