"""Scores the answers of each task, one function a task, and lists the examples that were wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tools import cli
from tools.evaluation import data, measures
from tools.evaluation.errors import AnswerError
from tools.evaluation.measures import Overlap, bare

_Kind = TypeVar("_Kind")
_Thing = TypeVar("_Thing")
_Example = TypeVar("_Example", bound=data.Example)


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: what it is of.
        score: from 0 to 1.
        examples: how many it was computed from.
        basis: the counts behind it, for people.
    """

    name: str
    score: float
    examples: int
    basis: str


@dataclass(frozen=True)
class Wrong:
    """An example that was not wholly right."""

    where: str
    text: str
    expected: str
    found: str


@dataclass(frozen=True)
class TaskScores:
    """The scores of one task over all its examples."""

    examples: int
    measures: tuple[Measure, ...]
    wrong: tuple[Wrong, ...]


def neighbours(examples: Sequence[data.Neighbour], answers: Sequence[Any]) -> TaskScores:
    """Task `embedding`; an answer is the vectors of the text, the near one and the far ones."""
    right, wrong = [], []
    for example, answer in zip(examples, answers, strict=True):
        text, *others = [_vector(example, vector) for vector in answer]
        if len({len(text), *map(len, others)}) > 1:
            raise AnswerError(f"{example.where}: the vectors differ in length.")
        near, *far = [cli.cosine(text, other) for other in others]
        # A far text that is just as near is no answer.
        right.append(near > max(far))
        if not right[-1]:
            nearest = example.far[far.index(max(far))]
            wrong.append(_wrong(example, f"{example.near} ({near:.3f})", f"{nearest} ({max(far):.3f})"))
    return TaskScores(len(examples), (_share("near text is the nearest", right),), tuple(wrong))


def rankings(examples: Sequence[data.Ranking], answers: Sequence[Any]) -> TaskScores:
    """Task `similarity`."""
    right, wrong = [], []
    for example, answer in zip(examples, answers, strict=True):
        order = _field(example, answer, "ranking", list)
        if sorted(map(repr, order)) != [repr(number) for number in range(len(example.candidates))]:
            raise AnswerError(f"{example.where}: the ranking {order} does not name every candidate once.")
        right.append(order[0] == example.answer)
        if not right[-1]:
            wrong.append(_wrong(example, example.candidates[example.answer], example.candidates[order[0]]))
    return TaskScores(len(examples), (_share("right candidate is the first", right),), tuple(wrong))


def labels(examples: Sequence[data.Labelled], answers: Sequence[Any]) -> TaskScores:
    """Tasks `sentiment` and `classification`; labels of an example's own are counted apart."""
    built_in: list[bool] = []
    own: list[bool] = []
    wrong = []
    for example, answer in zip(examples, answers, strict=True):
        label = _field(example, answer, "label", str)
        (own if example.labels else built_in).append(label == example.label)
        if label != example.label:
            wrong.append(_wrong(example, example.label, label))
    figures = [("right label", built_in), ("right label, of labels sent along", own)]
    return TaskScores(len(examples), tuple(_share(name, right) for name, right in figures if right), tuple(wrong))


def questions(examples: Sequence[data.Question], answers: Sequence[Any]) -> TaskScores:
    """Task `qa`: whether there is an answer, of all; exact match and F1, of those that have one."""
    known, exact, f1, wrong = [], [], [], []
    for example, answer in zip(examples, answers, strict=True):
        found = _field(example, answer, "answer", str) if _field(example, answer, "found", bool) else None
        known.append((found is None) == (example.answer is None))
        if example.answer is not None:
            expected, given = bare(example.answer), bare(found or "")
            exact.append(expected == given)
            f1.append(measures.character_f1(expected, given))
        if not known[-1] or (example.answer is not None and not exact[-1]):
            asked = _wrong(example, example.answer or "no answer", found or "no answer")
            wrong.append(Wrong(asked.where, f"{example.text} {example.question}", asked.expected, asked.found))
    figures = [_share("found or not found, rightly", known)]
    if exact:
        figures.insert(0, _share("exact match, where there is an answer", exact))
        basis = f"mean of {len(f1)}"
        figures.insert(1, Measure("character F1, where there is an answer", measures.mean(f1), len(f1), basis))
    return TaskScores(len(examples), tuple(figures), tuple(wrong))


def names(examples: Sequence[data.Named], answers: Sequence[Any]) -> TaskScores:
    """Task `ner`."""
    expected, found = [], []
    for example, answer in zip(examples, answers, strict=True):
        expected.append({(*_span(example, entity.start, entity.end), entity.type) for entity in example.entities})
        found.append(
            {
                (*_span(example, *_offsets(example, entity)), _field(example, entity, "type", str))
                for entity in _field(example, answer, "entities", list)
            }
        )
    spans = measures.overlap(
        *([{entity[:2] for entity in entities} for entities in side] for side in (expected, found))
    )
    figures = (
        _f1("F1 of entities: span and type", measures.overlap(expected, found), len(examples)),
        _f1("F1 of spans alone", spans, len(examples)),
    )
    return TaskScores(len(examples), figures, _unlike(examples, expected, found, _named))


def relations(examples: Sequence[data.Related], answers: Sequence[Any]) -> TaskScores:
    """Task `relation`."""
    expected, found = [], []
    for example, answer in zip(examples, answers, strict=True):
        expected.append({_triple(*triple) for triple in example.relations})
        found.append(
            {
                _triple(
                    _text(example, _field(example, relation, "subject", dict)),
                    _field(example, relation, "relation", str),
                    _text(example, _field(example, relation, "object", dict)),
                )
                for relation in _field(example, answer, "relations", list)
            }
        )
    figures = (_f1("F1 of (subject, relation, object)", measures.overlap(expected, found), len(examples)),)
    return TaskScores(len(examples), figures, _unlike(examples, expected, found, _joined))


def events(examples: Sequence[data.Eventful], answers: Sequence[Any]) -> TaskScores:
    """Task `event`: triggers with the event's type, and arguments with the event's type and their role."""
    expected, found = [], []
    for example, answer in zip(examples, answers, strict=True):
        expected.append(
            {(event.type, "trigger", bare(event.trigger)) for event in example.events}
            | {(event.type, role, bare(text)) for event in example.events for role, text in event.arguments}
        )
        found.append(
            {part for event in _field(example, answer, "events", list) for part in _parts_of_event(example, event)}
        )
    triggers, arguments = (
        measures.overlap(*([{part for part in parts if (part[1] == "trigger") is wanted} for parts in side]
                           for side in (expected, found)))
        for wanted in (True, False)
    )  # fmt: skip
    figures = (
        _f1("F1 of (type, trigger)", triggers, len(examples)),
        _f1("F1 of (type, role, argument)", arguments, len(examples)),
    )
    return TaskScores(len(examples), figures, _unlike(examples, expected, found, _joined))


def _parts_of_event(example: data.Example, event: object) -> list[tuple[str, str, str]]:
    kind = _field(example, event, "type", str)
    parts = [(kind, "trigger", bare(_text(example, _field(example, event, "trigger", dict))))]
    for argument in _field(example, event, "arguments", list):
        parts.append((kind, _field(example, argument, "role", str), bare(_text(example, argument))))
    return parts


def _triple(subject: str, relation: str, object_: str) -> tuple[str, str, str]:
    first, second = bare(subject), bare(object_)
    if relation in data.SYMMETRIC_RELATIONS:
        first, second = sorted((first, second))
    return first, relation, second


def _text(example: data.Example, value: object) -> str:
    return _field(example, value, "text", str)


def _offsets(example: data.Example, value: object) -> tuple[int, int]:
    start, end = (_field(example, value, name, int) for name in ("start", "end"))
    if not 0 <= start < end <= len(example.text):
        raise AnswerError(f"{example.where}: {start} to {end} is no part of a text of {len(example.text)} characters.")
    return start, end


def _span(example: data.Example, start: int, end: int) -> tuple[int, int]:
    return measures.bare_span(example.text, start, end)


def _vector(example: data.Example, value: object) -> list[float]:
    if not isinstance(value, list) or not value or not all(isinstance(number, (int, float)) for number in value):
        raise AnswerError(f"{example.where}: the answer holds no vector.")
    return [float(number) for number in value]


def _field(example: data.Example, answer: object, name: str, kind: type[_Kind]) -> _Kind:
    value = answer.get(name) if isinstance(answer, dict) else None
    # In Python a bool is an int; in JSON it is no number.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        short = json.dumps(answer, ensure_ascii=False)[:160]
        raise AnswerError(f"{example.where}: the answer has no {name!r} of type {kind.__name__}: {short}")
    return value


def _share(name: str, right: Collection[bool]) -> Measure:
    return Measure(name, measures.accuracy(right), len(right), f"{sum(right)} of {len(right)}")


def _f1(name: str, found: Overlap, examples: int) -> Measure:
    basis = f"precision {found.precision:.3f}, recall {found.recall:.3f}, {found.expected} expected"
    return Measure(name, found.f1, examples, basis)


def _wrong(example: data.Example, expected: str, found: str) -> Wrong:
    return Wrong(example.where, example.text, expected, found)


def _unlike(
    examples: Sequence[_Example],
    expected: Sequence[Collection[_Thing]],
    found: Sequence[Collection[_Thing]],
    written: Callable[[_Example, _Thing], str],
) -> tuple[Wrong, ...]:
    """The examples whose answer differs from what was expected; `written` formats one thing."""

    def listed(example: _Example, things: Collection[_Thing]) -> str:
        return "; ".join(sorted(written(example, thing) for thing in things)) or "nothing"

    return tuple(
        _wrong(example, listed(example, wanted), listed(example, given))
        for example, wanted, given in zip(examples, expected, found, strict=True)
        if wanted != given
    )


def _named(example: data.Example, entity: tuple[int, int, str]) -> str:
    start, end, kind = entity
    return f"{example.text[start:end]} {kind}"


def _joined(_: data.Example, parts: tuple[str, str, str]) -> str:
    return " ".join(parts)
