"""Task `qa`: the answer to a question, as a span of the context it comes from, or that the context has none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from gte_service.engine import TokenVectors
from gte_service.errors import InvalidInput, TooLarge
from gte_service.tasks.fields import Body, kind_of, required, text_of
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, Task, answer_each
from gte_service.tasks.prototypes.files import read_data
from gte_service.tasks.schemas import SCORE, SPAN, TEXT, VISIBLE, object_of, request_of
from gte_service.tasks.spans.candidates import Candidate, nouns_of
from gte_service.tasks.spans.entities import Entity, as_read, find_entities
from gte_service.tasks.spans.segmenter import readable, words_of
from gte_service.tasks.spans.sentences import sentences_of

# What is said of a span stands in its own clause.
_CLAUSE_END = re.compile(r"[，,；;：:。！？!?（）()]")
# Questions that no single name answers.
_FOR_A_SENTENCE = ("为什么", "为何", "怎么", "怎样", "如何", "why", "how")

# Who won? A team. Where does she work? In a hospital.
_MAY_STAND_FOR = {"person": ("organization",), "place": ("organization",)}

# Of a part, which the bar would end.
_VISIBLE = VISIBLE.replace("[^", "[^|")
_QUESTION: Schema = {
    "type": "string",
    "pattern": rf"^[^|]*{_VISIBLE}[^|]*\|[^|]*{_VISIBLE}[^|]*$",
    "description": 'A context, "|", and a question about it.',
}


@dataclass(frozen=True)
class _Asked:
    """One item: a context, its sentences as (start, end), and the question."""

    context: str
    question: str
    sentences: Sequence[tuple[int, int]]


class QuestionAnswering:
    """The sentence nearest to the question, and in it the span that is what the question asks for.

    Whether the context answers at all is judged by the sentence's nearness beside that of sentences that have nothing
    to do with any question: GTE's cosines mean something only in comparison.
    """

    name: ClassVar = "qa"
    summary: ClassVar = "The span of a context that answers a question, or that it does not answer it."
    example: ClassVar[Body] = {
        "task_type": "qa",
        "input_text": "张三出生于1990年，现在住在上海。他去年在北京参加了奥运会。|张三住在哪里？",
    }
    request: ClassVar[Schema] = {
        "oneOf": [
            request_of(name, {"input_text": {"anyOf": [_QUESTION, {"type": "array", "minItems": 1, "items": {}}]}}),
            request_of(name, {"context": TEXT, "question": TEXT}, ("context", "question")),
        ]
    }
    result: ClassVar[Schema] = object_of(
        {
            "found": {"type": "boolean"},
            "answer": {"type": ["string", "null"], "description": "null where the context has no answer."},
            "score": {
                **SCORE,
                "description": "How much nearer the sentence is than unrelated ones; from 0.5 on found.",
            },
            "start": {"type": ["integer", "null"], "minimum": 0},
            "end": {"type": ["integer", "null"], "minimum": 1},
            "sentence": SPAN,
        }
    )

    def __init__(self) -> None:
        """Read the unrelated sentences."""
        self.prototypes = tuple(Passage(text) for text in read_data("qa")["background"])

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        """`{"found", "answer", …}` for each question; see `Task.answer`."""
        if "context" in body or "question" in body:
            if "input_text" in body:
                raise InvalidInput(
                    'send either "input_text" ("context|question") or "context" and "question", not both.',
                    field="input_text",
                )
            texts = {field: text_of(required(body, field), field) for field in ("context", "question")}
            return _answers([_asked(texts["context"], texts["question"], max_texts, "context")], model)[0]
        return answer_each(
            required(body, "input_text"),
            max_texts,
            lambda item, field: _parted(item, field, max_texts),
            lambda items: _answers(items, model),
        )


def _parted(item: object, field: str, max_texts: int) -> _Asked:
    if not isinstance(item, str):
        raise InvalidInput(f'{field} must be a string "context|question", not {kind_of(item)}.', field=field)
    parts = item.split("|")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise InvalidInput(
            f'{field} must be "context|question" with one | between the two. Where a text holds a | itself, send '
            '"context" and "question" as fields of their own.',
            field=field,
        )
    return _asked(parts[0], parts[1], max_texts, field)


def _asked(context: str, question: str, max_texts: int, field: str) -> _Asked:
    sentences = sentences_of(context)
    if len(sentences) > max_texts:
        raise TooLarge(
            f"{field} has {len(sentences)} sentences; at most {max_texts} fit into one request. Send a part of it.",
            field=field,
        )
    return _Asked(context, question, sentences)


def _answers(items: Sequence[_Asked], model: Model) -> list[object]:
    texts = [
        text for item in items for text in (item.question, *(item.context[start:end] for start, end in item.sentences))
    ]
    encoded = model.encode(texts, token_vectors=True)
    answers = []
    begin = 0
    for item in items:
        end = begin + 1 + len(item.sentences)
        answers.append(_answer(item, encoded.vectors[begin:end], encoded.token_vectors[begin:end], model))
        begin = end
    return answers


def _answer(item: _Asked, vectors: Tensor, tokens: Sequence[TokenVectors], model: Model) -> object:
    cosines = vectors[1:] @ vectors[0]
    unrelated = model.prototypes["qa"].vectors @ vectors[0]
    question = _Question.of(item.question, tokens[0])
    # Of sentences about equally near, the nearest that has something of the kind asked for.
    nearest = cosines.argsort(descending=True, stable=True).tolist()
    number, span = nearest[0], None
    for other in nearest:
        if cosines[other] < cosines[nearest[0]] - unrelated.std():
            break
        start, end = item.sentences[other]
        if span := _span(item.context[start:end], question, tokens[other + 1], model):
            number = other
            break
    score = _score(float(cosines[number]), unrelated)
    found = score >= 0.5 and span is not None
    start, end = item.sentences[number]
    return {
        "found": found,
        "answer": item.context[start + span.start : start + span.end] if span and found else None,
        "score": round(score, 4),
        "start": start + span.start if span and found else None,
        "end": start + span.end if span and found else None,
        "sentence": {"text": item.context[start:end], "start": start, "end": end},
    }


def _score(cosine: float, unrelated: Tensor) -> float:
    """Near 1 when the cosine lies clearly above all unrelated ones, 0.5 when it is equal to the highest of them."""
    return float(torch.sigmoid((cosine - unrelated.max()) / unrelated.std().clamp_min(1e-6)))


def _span(sentence: str, question: _Question, tokens: TokenVectors, model: Model) -> Entity | Candidate | None:
    """The part of a sentence that is what the question asks for: the one of the clause that is most like it."""
    if question.asked and question.asked.whole:
        end = len(sentence.rstrip("。！？!?；;…. "))
        return Candidate(0, end) if end else None
    sentence = as_read(sentence, tokens)
    entities = [it for it in find_entities(sentence, tokens, model) if not question.says(it.text)]
    spans: Sequence[Entity | Candidate]
    if question.asked:
        second_best = {kind for asked_kind in question.asked.types for kind in _MAY_STAND_FOR.get(asked_kind, ())}
        spans = [entity for entity in entities if entity.type in question.asked.types]
        spans = spans or [entity for entity in entities if entity.type in second_best]
    else:
        spans = [it for it in nouns_of(sentence) if not question.says(sentence[it.start : it.end])]
        # What lies behind the last token that the model read has no vector.
        spans = [it for it in spans if it.end <= tokens.end]
    content = question.content
    if not spans or content is None:
        return None

    def likeness(span: Entity | Candidate) -> float:
        before = max((found.end() for found in _CLAUSE_END.finditer(sentence, 0, span.start)), default=0)
        after = _CLAUSE_END.search(sentence, span.end)
        around = tokens.mean([(before, span.start), (span.end, after.start() if after else len(sentence))])
        return float(around @ content) if around is not None else -1.0

    return max(spans, key=likeness)


@dataclass(frozen=True)
class _AskedFor:
    """What a question word asks for: entities of some types, or a whole sentence."""

    types: tuple[str, ...]
    start: int
    end: int

    @property
    def whole(self) -> bool:
        return not self.types


@dataclass(frozen=True)
class _Question:
    """A question as it is looked at in each sentence.

    Attributes:
        text: as it is read.
        asked: what it asks for, None if it has no word that says so.
        content: the mean of the vectors of the words that say what it is about, None if there are none.
    """

    text: str
    asked: _AskedFor | None
    content: Tensor | None

    @classmethod
    def of(cls, question: str, tokens: TokenVectors) -> _Question:
        """Look at a question and the vectors of its tokens."""
        text = readable(as_read(question, tokens))
        asked = _asked_for(text)
        return cls(text, asked, tokens.mean(_content(text, asked)))

    def says(self, words: str) -> bool:
        """Whether the question itself has these words: then they are not what it asks for."""
        return readable(words) in self.text


def _asked_for(question: str) -> _AskedFor | None:
    """What a question asks for, None if it has no word that says so."""
    found = _question_pattern().search(readable(question).lower())
    return _AskedFor(_question_words()[found[0]], *found.span()) if found else None


def _content(question: str, asked: _AskedFor | None) -> list[tuple[int, int]]:
    """The parts of a question that say what it is about: without its question word and without particles."""
    spans = [
        (word.start, word.end)
        for word in words_of(question)
        if word.text.isalnum()
        and word.text not in _stop_words()
        and not (asked and word.start < asked.end and word.end > asked.start)
    ]
    return spans or [(0, len(question))]


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(map(str, read_data("qa")["stop_words"]))


@cache
def _question_words() -> dict[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = dict.fromkeys(_FOR_A_SENTENCE, ())
    for kind, asking in read_data("qa")["question_words"].items():
        for word in map(str, asking):
            words[word.lower()] = (*words.get(word.lower(), ()), kind)
    return words


@cache
def _question_pattern() -> re.Pattern[str]:
    return re.compile(
        "|".join(
            rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)
            for word in sorted(_question_words(), key=len, reverse=True)
        )
    )


TASK: Task = QuestionAnswering()
