"""Task `qa`: the answer to a question as a span of its context, or that the context doesn't answer it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar

import torch
from torch import Tensor

from gte_service.engine import TokenVectors
from gte_service.errors import InvalidInput, TooLarge
from gte_service.tasks.fields import Body, kind_of, required, text_of
from gte_service.tasks.model import Model, Passage, in_parts
from gte_service.tasks.protocol import Schema, Task, answer_each
from gte_service.tasks.prototypes.files import read_data
from gte_service.tasks.schemas import SCORE, SPAN, TEXT, VISIBLE, object_of, request_of
from gte_service.tasks.spans.candidates import Candidate, nouns_of
from gte_service.tasks.spans.entities import Entity, as_read, find_entities
from gte_service.tasks.spans.segmenter import readable, words_of
from gte_service.tasks.spans.sentences import sentences_of

# The words about a span are in the same clause.
_CLAUSE_END = re.compile(r"[，,；;：:。！？!?（）()]")
# Questions whose answer is a sentence, not a name.
_FOR_A_SENTENCE = ("为什么", "为何", "怎么", "怎样", "如何", "why", "how")

# Who won? A team. Where does she work? In a hospital.
_MAY_STAND_FOR = {"person": ("organization",), "place": ("organization",)}

# Between context and question. The second is what an input method for Chinese types.
_BARS = ("|", "｜")


def _two_parts(bar: str, excluded: str) -> str:
    """The pattern of two visible parts with a bar between them, and without the excluded characters."""
    part = f"[^{excluded}]*{VISIBLE.replace('[^', f'[^{excluded}')}[^{excluded}]*"
    return f"{part}{re.escape(bar)}{part}"


_QUESTION: Schema = {
    "type": "string",
    "pattern": f"^(?:{_two_parts('|', '|')}|{_two_parts('｜', '|｜')})$",
    "description": 'A context, "|" or "｜", and a question about it.',
}


@dataclass(frozen=True)
class _Item:
    """One item: a context, its sentences as (start, end), and the question."""

    context: str
    question: str
    sentences: Sequence[tuple[int, int]]

    @cached_property
    def texts(self) -> Sequence[str]:
        """What is computed: the question and each sentence."""
        return [self.question, *(self.context[start:end] for start, end in self.sentences)]


class QuestionAnswering:
    """The sentence most similar to the question, and in it the span of the kind that the question asks for.

    The context answers the question if that sentence is more similar to it than sentences unrelated to any question:
    GTE's cosines mean something only in comparison.
    """

    name: ClassVar = "qa"
    summary: ClassVar = "The span of a context that answers a question, or that the context does not answer it."
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
            "answer": {"type": ["string", "null"], "description": "null if the context has no answer."},
            "score": {
                **SCORE,
                "description": "How much more similar the sentence is than unrelated ones; found from 0.5.",
            },
            "start": {"type": ["integer", "null"], "minimum": 0},
            "end": {"type": ["integer", "null"], "minimum": 1},
            "sentence": SPAN,
        }
    )

    def __init__(self) -> None:
        self.prototypes = tuple(Passage(text) for text in read_data("qa")["background"])

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
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


def _parted(item: object, field: str, max_texts: int) -> _Item:
    if not isinstance(item, str):
        raise InvalidInput(f'{field} must be a string "context|question", not {kind_of(item)}.', field=field)
    # A wide bar is part of a text in which a plain one separates.
    parts = item.split(next((bar for bar in _BARS if bar in item), _BARS[0]))
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise InvalidInput(
            f'{field} must be "context|question" with one | between the two. If a text contains a |, send '
            '"context" and "question" as separate fields.',
            field=field,
        )
    return _asked(parts[0], parts[1], max_texts, field)


def _asked(context: str, question: str, max_texts: int, field: str) -> _Item:
    sentences = sentences_of(context)
    if len(sentences) >= max_texts:
        raise TooLarge(
            f"{field} has {len(sentences)} sentences; one request may have at most {max_texts} texts, the question "
            "among them. Send a part of it.",
            field=field,
        )
    return _Item(context, question, sentences)


def _answers(items: Sequence[_Item], model: Model) -> list[object]:
    parts = in_parts(items, lambda item: len(item.texts))
    texts = [[text for item in part for text in item.texts] for part in parts]
    answers = []
    for part, encoded in zip(parts, model.encode_parts(texts, token_vectors=True), strict=True):
        begin = 0
        for item in part:
            end = begin + len(item.texts)
            answers.append(_answer(item, encoded.vectors[begin:end], encoded.token_vectors[begin:end], model))
            begin = end
    return answers


def _answer(item: _Item, vectors: Tensor, tokens: Sequence[TokenVectors], model: Model) -> object:
    cosines = vectors[1:] @ vectors[0]
    unrelated = model.prototypes["qa"].vectors @ vectors[0]
    question = _Question.of(item.question, tokens[0])
    # Of sentences about equally similar, the most similar one with a span of the kind that the question asks for.
    by_similarity = cosines.argsort(descending=True, stable=True).tolist()
    number, span = by_similarity[0], None
    for other in by_similarity:
        if cosines[other] < cosines[by_similarity[0]] - unrelated.std():
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
    """The span of a sentence that answers the question: the one whose clause is most similar to it."""
    if question.asked and question.asked.entire_sentence:
        end = len(sentence.rstrip("。！？!?；;…. "))
        return Candidate(0, end) if end else None
    sentence = as_read(sentence, tokens)
    entities = [entity for entity in find_entities(sentence, tokens, model) if not question.mentions(entity.text)]
    spans: Sequence[Entity | Candidate]
    if question.asked:
        second_best = {kind for asked_kind in question.asked.types for kind in _MAY_STAND_FOR.get(asked_kind, ())}
        spans = [entity for entity in entities if entity.type in question.asked.types]
        spans = spans or [entity for entity in entities if entity.type in second_best]
    else:
        spans = [noun for noun in nouns_of(sentence) if not question.mentions(sentence[noun.start : noun.end])]
        # Text after the last token that the model has read has no vector.
        spans = [span for span in spans if span.end <= tokens.end]
    content = question.content
    if not spans or content is None:
        return None

    def similarity(span: Entity | Candidate) -> float:
        before = max((found.end() for found in _CLAUSE_END.finditer(sentence, 0, span.start)), default=0)
        after = _CLAUSE_END.search(sentence, span.end)
        around = tokens.mean([(before, span.start), (span.end, after.start() if after else len(sentence))])
        return float(around @ content) if around is not None else -1.0

    return max(spans, key=similarity)


@dataclass(frozen=True)
class _AskedFor:
    """The kind of answer of a question word: entities of some types, or an entire sentence."""

    types: tuple[str, ...]
    start: int
    end: int

    @property
    def entire_sentence(self) -> bool:
        return not self.types


@dataclass(frozen=True)
class _Question:
    """A question, prepared for the comparison with each sentence.

    Attributes:
        text: its readable characters.
        asked: the kind of its answer, None without a question word.
        content: the mean vector of its content words, None without any.
    """

    text: str
    asked: _AskedFor | None
    content: Tensor | None

    @classmethod
    def of(cls, question: str, tokens: TokenVectors) -> _Question:
        """Prepare a question from its text and the vectors of its tokens."""
        text = readable(as_read(question, tokens))
        asked = _asked_for(text)
        return cls(text, asked, tokens.mean(_content(text, asked)))

    def mentions(self, words: str) -> bool:
        """Whether the question contains these words, which therefore can't be its answer."""
        return readable(words) in self.text


def _asked_for(question: str) -> _AskedFor | None:
    """The kind of a question's answer, None without a question word."""
    found = _question_pattern().search(readable(question).lower())
    return _AskedFor(_question_words()[found[0]], *found.span()) if found else None


def _content(question: str, asked: _AskedFor | None) -> list[tuple[int, int]]:
    """The content words of a question: without its question word and without particles."""
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
