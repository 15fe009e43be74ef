"""Task `event`: the events of a text, with their trigger words and arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from gte_service.engine import TokenVectors
from gte_service.tasks.fields import Body
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.prototypes.classes import Classes, fit
from gte_service.tasks.prototypes.files import NONE, marked_examples, read_data
from gte_service.tasks.prototypes.labels import Label
from gte_service.tasks.schemas import SCORE, SPAN, TYPED_SPAN, object_of
from gte_service.tasks.spans.candidates import LIKELY, SURE, any_of
from gte_service.tasks.spans.entities import Entity, find_entities, side_by_side
from gte_service.tasks.spans.segmenter import readable, words_of
from gte_service.tasks.spans.sentences import sentences_of
from gte_service.tasks.spans.task import SpanTask, classes_of

# Roles that take every entity of their types in the sentence, wherever it stands.
_CIRCUMSTANCES = ("place", "time", "quantity")
# 微软 in 动视暴雪被微软收购 is the subject.
_PASSIVE = re.compile(r"被|遭到?|受到")


@dataclass(frozen=True)
class _Trigger:
    """A word that may state an event.

    Attributes:
        start: its first character.
        end: the character after its last.
        kinds: the types of events that have this trigger word.
    """

    start: int
    end: int
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class _FoundEvent:
    """A trigger with its most probable type and that probability."""

    kind: str
    trigger: _Trigger
    score: float


class Event(SpanTask):
    """Trigger words, typed by their vectors in the sentence; arguments by the position and type of its entities."""

    name: ClassVar = "event"
    summary: ClassVar = (
        "The events of a text, each with its trigger word and its arguments by role: "
        f"{', '.join(read_data('event')['types'])}, or your own types."
    )
    example: ClassVar[Body] = {"task_type": "event", "input_text": "昨晚四川雅安发生4.5级地震，造成3人受伤"}
    result: ClassVar[Schema] = object_of(
        {
            "events": {
                "type": "array",
                "items": object_of(
                    {
                        "type": {"type": "string"},
                        "trigger": SPAN,
                        "score": SCORE,
                        "arguments": {
                            "type": "array",
                            "items": object_of({"role": {"type": "string"}, **TYPED_SPAN["properties"]}),
                        },
                    }
                ),
            }
        }
    )

    def __init__(self) -> None:
        super().__init__(self.name)
        self.prototypes = tuple(passage for passage, _ in _examples())

    def result_of(self, text: str, tokens: TokenVectors, types: Sequence[Label] | None, model: Model) -> object:
        classes = classes_of(types, model.prototypes[self.name], _classes, model)
        entities = find_entities(text, tokens, model)
        triggers = _own_triggers(text, types, entities) if types else _triggers(text, entities)
        found = _typed(triggers, tokens, classes)
        events = []
        for start, end in sentences_of(text):
            inside = [entity for entity in entities if start <= entity.start and entity.end <= end]
            events += [
                {
                    "type": event.kind,
                    "trigger": _place(text, event.trigger),
                    "score": round(event.score, 4),
                    "arguments": [{"role": role, **entity.place()} for role, entity in _arguments(text, event, inside)],
                }
                for event in _best_of_each_kind(found, (start, end))
            ]
        return {"events": events}


def _place(text: str, trigger: _Trigger) -> dict[str, object]:
    return {"text": text[trigger.start : trigger.end], "start": trigger.start, "end": trigger.end}


def _triggers(text: str, entities: Sequence[Entity]) -> list[_Trigger]:
    """The trigger words of the built-in types that are words of the text and not parts of a name."""
    words = words_of(text)
    starts, ends = {word.start for word in words}, {word.end for word in words}
    named = [entity for entity in entities if entity.type not in _CIRCUMSTANCES]
    found = []
    for match in _trigger_pattern().finditer(readable(text)):
        start, end = match.span()
        # A trigger that begins and ends inside words is a coincidence: 会见 in 机会见长.
        if (start in starts or end in ends) and all(end <= entity.start or start >= entity.end for entity in named):
            found.append(_Trigger(start, end, _kinds_of_trigger()[match[0]]))
    return found


def _own_triggers(text: str, types: Sequence[Label], entities: Sequence[Entity]) -> list[_Trigger]:
    """Verbs and nouns, each with the client's types whose names contain it."""
    return [
        _Trigger(word.start, word.end, tuple(label.name for label in types if word.text in label.name))
        for word in words_of(text)
        if len(word.text) > 1
        and word.tag.startswith(("v", "n", "an", "l", "eng"))
        and all(word.end <= entity.start or word.start >= entity.end for entity in entities)
    ]


def _typed(triggers: Sequence[_Trigger], tokens: TokenVectors, classes: Classes) -> list[_FoundEvent]:
    found = []
    for trigger in triggers:
        vector = tokens.mean([(trigger.start, trigger.end)])
        if vector is None:
            continue
        logits = classes.evidence(vector.unsqueeze(0))[0]
        for kind in trigger.kinds:
            logits[classes.labels.index(kind)] += SURE
        # Most words state no event.
        logits[classes.labels.index(NONE)] += LIKELY
        score, best = functional.softmax(logits, dim=0).max(dim=0)
        kind = classes.labels[int(best)]
        if kind != NONE:
            found.append(_FoundEvent(kind, trigger, float(score)))
    return found


def _best_of_each_kind(found: Sequence[_FoundEvent], sentence: tuple[int, int]) -> list[_FoundEvent]:
    """The events of a sentence, one for each type: the first trigger, unless a later one is clearly more probable."""
    best: dict[str, _FoundEvent] = {}
    for event in found:
        inside = sentence[0] <= event.trigger.start and event.trigger.end <= sentence[1]
        if inside and (event.kind not in best or event.score > best[event.kind].score + 0.2):
            best[event.kind] = event
    return sorted(best.values(), key=lambda event: event.trigger.start)


def _arguments(text: str, event: _FoundEvent, inside: Sequence[Entity]) -> Iterator[tuple[str, Entity]]:
    """The entities of the sentence that take part, by role.

    The subject comes before the trigger, the object after it; in a passive sentence they change places.
    """
    roles = _roles(event.kind)
    before = [entity for entity in inside if entity.end <= event.trigger.start][::-1]
    after = [entity for entity in inside if entity.start >= event.trigger.end]
    choices = [("subject", before), ("object", after)]
    passive = next(_PASSIVE.finditer(text, inside[0].start if inside else 0, event.trigger.start), None)
    if passive and any(entity.end <= passive.start() and entity.type in roles["object"] for entity in before):
        choices = [
            ("object", [entity for entity in before if entity.end <= passive.start()]),
            ("subject", [entity for entity in before if entity.start >= passive.end()]),
        ]
    used: set[Entity] = set()
    for role, choice in choices:
        for entity in _nearest(text, [entity for entity in choice if entity.type in roles[role]]):
            used.add(entity)
            yield role, entity
    for role in _CIRCUMSTANCES:
        yield from ((role, entity) for entity in inside if entity.type in roles[role] and entity not in used)


def _nearest(text: str, choice: Sequence[Entity]) -> list[Entity]:
    """The nearest entity, and those listed together with it, in the order of the text."""
    kept = list(choice[:1])
    for entity in choice[1:]:
        left, right = sorted((kept[-1], entity), key=lambda entity: entity.start)
        if entity.type != kept[0].type or not side_by_side(text, left.end, right.start):
            break
        kept.append(entity)
    return sorted(kept, key=lambda entity: entity.start)


def _roles(kind: str) -> dict[str, tuple[str, ...]]:
    """The types of entities that each role takes."""
    default: dict[str, Any] = {
        "subject": ("person", "organization"),
        "object": ("person", "organization", "product", "work", "event"),
        **{role: (role,) for role in _CIRCUMSTANCES},
    }
    given = read_data("event")["types"].get(kind, {}).get("arguments", default)
    return {role: tuple(given.get(role) or ()) for role in ("subject", "object", *_CIRCUMSTANCES)}


@cache
def _kinds_of_trigger() -> dict[str, tuple[str, ...]]:
    kinds: dict[str, tuple[str, ...]] = {}
    for name, kind in read_data("event")["types"].items():
        for word in map(str, kind["triggers"]):
            kinds[word] = (*kinds.get(word, ()), name)
    return kinds


@cache
def _trigger_pattern() -> re.Pattern[str]:
    return re.compile(any_of(_kinds_of_trigger()))


@cache
def _examples() -> tuple[tuple[Passage, str], ...]:
    """The trigger of each example sentence in its context, and its type."""
    found = []
    for example, name in marked_examples("event"):
        trigger = example.one("trigger")
        found.append((Passage(example.text, ((trigger.start, trigger.end),)), name))
    return tuple(found)


def _classes(vectors: Tensor) -> Classes:
    return fit((*read_data("event")["types"], NONE), [name for _, name in _examples()], vectors)


TASK: Task = Event()
