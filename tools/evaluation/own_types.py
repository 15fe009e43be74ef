"""Asks `ner`, `relation` and `event` for a client's own types that mean what the built-in ones do.

The same examples then show what a name or a description alone is worth. The labels are in `sets/own_types.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.evaluation import data
from tools.evaluation.errors import AnswerError, DataError

FILE = data.SETS / "own_types.jsonl"
TYPES: Mapping[str, Sequence[str]] = {
    "ner": data.ENTITY_TYPES,
    "relation": data.RELATIONS,
    "event": data.EVENT_TYPES,
}
# Where an answer holds what was typed, and its type there.
_TYPED = {"ner": ("entities", "type"), "relation": ("relations", "relation"), "event": ("events", "type")}


@dataclass(frozen=True)
class OwnType(data.Example):
    """A label of a client's own; `text` is the built-in type that it stands for, after its task."""

    task: str
    type: str
    label: str
    description: str


@dataclass(frozen=True)
class Way:
    """A way to send own types: by name only, or with a description each."""

    name: str
    described: bool


WAYS = (Way("own types by name", described=False), Way("own types by description", described=True))


def form(line: data.Line) -> OwnType:
    """`{"task", "type": a built-in type, "label", "description"}`."""
    line.only("task", "type", "label", "description")
    task = line.one_of(line.fields.get("task"), list(TYPES), "the task")
    kind = line.one_of(line.fields.get("type"), TYPES[task], "the type")
    return OwnType(line.where, f"{task} {kind}", task, kind, line.text("label"), line.text("description"))


def own_types(task: str) -> list[OwnType]:
    """The labels that stand for the types of a task.

    Raises:
        DataError: the file is damaged, or lacks one.
    """
    found = [own for own in data.read(FILE, form) if own.task == task]
    lacking = set(TYPES[task]) - {own.type for own in found}
    if lacking or len({own.label for own in found}) < len(found):
        raise DataError(f"{FILE} needs one label of its own for each type of {task}; write {sorted(lacking)}.")
    return found


def request(types: Sequence[OwnType], way: Way) -> list[object]:
    """The field `types`."""
    if way.described:
        return [{"label": own.label, "description": own.description} for own in types]
    return [own.label for own in types]


def with_built_in_names(types: Sequence[OwnType], answer: Any) -> Any:
    """An answer with the built-in types in place of the labels.

    Raises:
        AnswerError: it has another type than those.
    """
    names = {own.label: own.type for own in types}
    where, field = _TYPED[types[0].task]
    things = answer.get(where) if isinstance(answer, dict) else None
    if not isinstance(things, list):
        return answer
    for thing in things:
        if thing.get(field) not in names:
            raise AnswerError(f"{types[0].task}: the answer has the type {thing.get(field)!r}, which was not sent.")
    return {**answer, where: [{**thing, field: names[thing[field]]} for thing in things]}
