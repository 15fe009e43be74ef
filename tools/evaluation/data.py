"""The labelled sets: one format a task, and what is checked before anything is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tools.evaluation.errors import DataError

SETS = Path(__file__).resolve().parent / "sets"

SENTIMENTS = ("positive", "negative", "neutral")
TOPICS = ("sports", "finance", "technology", "entertainment", "politics", "education",
          "health", "travel", "food", "automobile", "real_estate", "military")  # fmt: skip
ENTITY_TYPES = ("person", "place", "organization", "event", "product", "work", "time", "quantity")
RELATIONS = ("born_in", "works_for", "founder_of", "leader_of", "spouse_of", "parent_of",
             "studied_at", "located_in", "acquired", "partner_of", "author_of")  # fmt: skip
SYMMETRIC_RELATIONS = ("spouse_of", "partner_of")
EVENT_TYPES = ("competition", "meeting", "visit", "acquisition", "cooperation", "product_launch", "appointment",
               "departure", "disaster", "accident", "death", "marriage", "award", "performance")  # fmt: skip
ROLES = ("subject", "object", "place", "time", "quantity")

_MARK = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")


@dataclass(frozen=True)
class Example:
    """The base of all examples.

    Attributes:
        where: file and line.
        text: the text that is asked about.
    """

    where: str
    text: str


@dataclass(frozen=True)
class Neighbour(Example):
    """Task `embedding`: `near` means the same as the text, the texts of `far` don't."""

    near: str
    far: tuple[str, ...]


@dataclass(frozen=True)
class Ranking(Example):
    """Task `similarity`: of `candidates`, the one at position `answer` is the most similar."""

    candidates: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class Labelled(Example):
    """Tasks `sentiment` and `classification`: the label; `labels` are its own choices, () the built-in ones."""

    label: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Question(Example):
    """Task `qa`: the text is the context; `answer` is a part of it, None where it doesn't hold the answer."""

    question: str
    answer: str | None


@dataclass(frozen=True)
class Entity:
    """A part of a text, in code points, end exclusive."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Named(Example):
    """Task `ner`: all entities of the text."""

    entities: tuple[Entity, ...]


@dataclass(frozen=True)
class Related(Example):
    """Task `relation`: all (subject, relation, object) that the text says."""

    relations: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Event:
    """An event: its type, the words that tell of it, and (role, text) of who or what takes part."""

    type: str
    trigger: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Eventful(Example):
    """Task `event`: all events that the text tells of."""

    events: tuple[Event, ...]


_Example = TypeVar("_Example", bound=Example)


class Line:
    """One line of a file: a JSON object with exactly the fields of its format."""

    def __init__(self, where: str, text: str) -> None:
        """Read the line; raises DataError."""
        self.where = where
        try:
            self.fields: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"is not JSON ({error}); write one object a line") from error
        if not isinstance(self.fields, dict):
            raise self.damaged("is no JSON object; write one object a line")

    def damaged(self, what: str) -> DataError:
        """The error that says so of this line."""
        return DataError(f"{self.where} {what}.")

    def only(self, *names: str) -> None:
        """Refuse fields that the format doesn't know: a misspelt one would be left out silently."""
        if unknown := sorted(set(self.fields) - set(names)):
            raise self.damaged(f"has the unknown field {unknown[0]!r}; this format has {', '.join(names)}")

    def text(self, name: str) -> str:
        """A field that is a text."""
        return self.is_text(self.fields.get(name), f"field {name!r}")

    def texts(self, name: str, least: int, most: int) -> tuple[str, ...]:
        """A field that is a list of so many different texts."""
        items = self.fields.get(name)
        if not isinstance(items, list) or not least <= len(items) <= most:
            numbers = f"{least}" if least == most else f"{least} to {most}"
            raise self.damaged(f"needs {numbers} texts in the list {name!r}")
        texts = tuple(self.is_text(item, f"{name}[{number}]") for number, item in enumerate(items))
        if len(set(texts)) < len(texts):
            raise self.damaged(f"has the same text twice in {name!r}")
        return texts

    def is_text(self, value: object, what: str) -> str:
        """A value, checked to be a text that isn't empty."""
        if not isinstance(value, str) or not value.strip():
            raise self.damaged(f"has no text in {what}")
        return value

    def one_of(self, value: object, known: Sequence[str], what: str) -> str:
        """A value, checked to be one of those known."""
        if not isinstance(value, str) or value not in known:
            raise self.damaged(f"has {what} {value!r}, which is none of {', '.join(known)}")
        return value

    def part_of(self, text: str, value: object, what: str) -> str:
        """A value, checked to be a part of the text."""
        part = self.is_text(value, what)
        if part not in text:
            raise self.damaged(f"has {what} {part!r}, which does not occur in its text")
        return part


def read(path: Path, form: Callable[[Line], _Example]) -> list[_Example]:
    """The examples of a file; `form` reads a line.

    Raises:
        DataError: the file can't be read, a line is damaged, or two lines ask the same; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read ({error}). It belongs to the project; restore it.") from error
    examples: list[_Example] = []
    seen: dict[str, str] = {}
    # Not splitlines: it would also split at characters that a JSON string may hold.
    for number, content in enumerate(text.split("\n"), 1):
        if content.strip():
            line = Line(f"{path.name}:{number}", content)
            example = form(line)
            asked = example.text + "\n" + getattr(example, "question", "")
            if asked in seen:
                raise line.damaged(f"asks the same as {seen[asked]}; write another example")
            seen[asked] = line.where
            examples.append(example)
    if not examples:
        raise DataError(f"{path} holds no example. It belongs to the project; restore it.")
    return examples


def neighbour(line: Line) -> Neighbour:
    """`{"text", "near", "far": [two or three texts]}`."""
    line.only("text", "near", "far")
    example = Neighbour(line.where, line.text("text"), line.text("near"), line.texts("far", 2, 3))
    if len({example.text, example.near, *example.far}) < 2 + len(example.far):
        raise line.damaged("has the same text twice")
    return example


def ranking(line: Line) -> Ranking:
    """`{"query", "candidates": [four texts], "answer": the position of the right one}`."""
    line.only("query", "candidates", "answer")
    candidates = line.texts("candidates", 4, 4)
    answer = line.fields.get("answer")
    # In Python a bool is an int; in JSON it is no number.
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(candidates):
        raise line.damaged("needs a position from 0 to 3 as 'answer'")
    return Ranking(line.where, line.text("query"), candidates, answer)


def sentiment(line: Line) -> Labelled:
    """`{"text", "label"}`."""
    line.only("text", "label")
    return Labelled(line.where, line.text("text"), line.one_of(line.fields.get("label"), SENTIMENTS, "the label"), ())


def classification(line: Line) -> Labelled:
    """`{"text", "label"}`, and perhaps `"labels": [its own choices]`."""
    line.only("text", "label", "labels")
    labels = line.texts("labels", 2, 64) if "labels" in line.fields else ()
    label = line.one_of(line.fields.get("label"), labels or TOPICS, "the label")
    return Labelled(line.where, line.text("text"), label, labels)


def question(line: Line) -> Question:
    """`{"context", "question", "answer": a part of the context, or null}`."""
    line.only("context", "question", "answer")
    context = line.text("context")
    if "answer" not in line.fields:
        raise line.damaged("has no field 'answer'; write null where the context doesn't hold it")
    answer = line.fields["answer"]
    if answer is not None:
        answer = line.part_of(context, answer, "the answer")
    return Question(line.where, context, line.text("question"), answer)


def named(line: Line) -> Named:
    """`{"text": "{张三|person}在{北京|place}"}`."""
    line.only("text")
    text, entities, last = "", [], 0
    marked = line.text("text")
    for mark in _MARK.finditer(marked):
        text += marked[last : mark.start()]
        name = line.is_text(mark[1], f"the mark {mark[0]!r}")
        kind = line.one_of(mark[2], ENTITY_TYPES, "the type")
        entities.append(Entity(len(text), len(text) + len(name), kind))
        text += name
        last = mark.end()
    text += marked[last:]
    if set(text) & set("{|}"):
        raise line.damaged("has a mark that is not closed or stands inside another; write {text|type}")
    return Named(line.where, text, tuple(entities))


def related(line: Line) -> Related:
    """`{"text", "relations": [[subject, relation, object]]}`."""
    line.only("text", "relations")
    text = line.text("text")
    relations: list[tuple[str, str, str]] = []
    for item in _list(line, line.fields.get("relations"), "'relations'"):
        if not isinstance(item, list) or len(item) != 3:
            raise line.damaged("has a relation that is no [subject, relation, object]")
        relations.append((
            line.part_of(text, item[0], "the subject"),
            line.one_of(item[1], RELATIONS, "the relation"),
            line.part_of(text, item[2], "the object"),
        ))  # fmt: skip
    if len(set(relations)) < len(relations):
        raise line.damaged("has a relation twice")
    return Related(line.where, text, tuple(relations))


def eventful(line: Line) -> Eventful:
    """`{"text", "events": [{"type", "trigger", "arguments": {role: [texts]}}]}`."""
    line.only("text", "events")
    text = line.text("text")
    events: list[Event] = []
    for item in _list(line, line.fields.get("events"), "'events'"):
        if not isinstance(item, dict) or set(item) != {"type", "trigger", "arguments"}:
            raise line.damaged("has an event without exactly 'type', 'trigger' and 'arguments'")
        arguments = item["arguments"]
        if not isinstance(arguments, dict):
            raise line.damaged("has 'arguments' that are no object of lists of texts by role")
        events.append(
            Event(
                line.one_of(item["type"], EVENT_TYPES, "the event type"),
                line.part_of(text, item["trigger"], "the trigger"),
                tuple(
                    (line.one_of(role, ROLES, "the role"), line.part_of(text, argument, f"the {role}"))
                    for role, texts in arguments.items()
                    for argument in _list(line, texts, repr(role))
                ),
            )
        )
    if len({(event.type, event.trigger) for event in events}) < len(events):
        raise line.damaged("has two events of one type and trigger, which the measures can't tell apart")
    return Eventful(line.where, text, tuple(events))


def _list(line: Line, value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise line.damaged(f"has no list in {what}")
    return value
