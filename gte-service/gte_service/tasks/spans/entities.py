"""The entities of a text: candidates by their form, typed by their vectors in context."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.engine import TokenVectors
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.prototypes.classes import Classes, fit
from gte_service.tasks.prototypes.files import NONE, MarkedText, read_data
from gte_service.tasks.spans.candidates import Candidate, candidates_of
from gte_service.tasks.spans.segmenter import words_of

# 512 tokens are 512 Chinese characters, or some 3,000 of English; but one token can stand for any number.
_MOST_CHARACTERS = 4096
_LONGEST_WORD = 32
_SIDE_BY_SIDE = re.compile(r"\s*(?:[、,，/&]|和|与|跟|同|及|以及|and)\s*")


@dataclass(frozen=True)
class Entity:
    """An entity in a text.

    Attributes:
        text: its words in the original text.
        type: its type.
        start: its first character, counted in Unicode code points.
        end: the character after its last.
        score: probability of the type, 0 to 1.
    """

    text: str
    type: str
    start: int
    end: int
    score: float

    def json(self) -> dict[str, object]:
        """The entity in an answer."""
        return {**self.place(), "score": round(self.score, 4)}

    def place(self) -> dict[str, object]:
        """The entity as a part of a relation or an event in an answer."""
        return {"text": self.text, "type": self.type, "start": self.start, "end": self.end}


def side_by_side(text: str, start: int, end: int) -> bool:
    """Whether the text between two entities only lists them together: 张三和李四, 华为、小米."""
    return _SIDE_BY_SIDE.fullmatch(text, start, end) is not None


def as_read(text: str, tokens: TokenVectors) -> str:
    """The part of a text that the model has read, and a little more, so that its last word is complete.

    This bounds the work of all searches for words, however long the text is.
    """
    return text[: min(tokens.end + _LONGEST_WORD, _MOST_CHARACTERS)]


def entity_types() -> tuple[str, ...]:
    """The built-in types."""
    return tuple(read_data("ner")["types"])


def entity_prototypes() -> tuple[Passage, ...]:
    """Marked spans of the example sentences, and their nouns that are not entities."""
    return tuple(passage for passage, _ in _examples())


def entity_classes(vectors: Tensor) -> Classes:
    """The built-in types and `none`, from the vectors of `entity_prototypes`."""
    return fit((*entity_types(), NONE), [kind for _, kind in _examples()], vectors)


def find_entities(text: str, tokens: TokenVectors, model: Model) -> list[Entity]:
    """The entities of the built-in types, in order.

    Args:
        text: the original text.
        tokens: the vectors of its tokens.
        model: has the prototypes of the task `ner`.
    """
    classes = model.prototypes["ner"].derived(entity_classes)
    return typed(text, candidates_of(text), tokens, classes)


def typed(text: str, candidates: Sequence[Candidate], tokens: TokenVectors, classes: Classes) -> list[Entity]:
    """Give each candidate its most likely type by its form and its vector in context, or drop it."""
    read = [(candidate, vector) for candidate in candidates if (vector := _vector(candidate, tokens)) is not None]
    if not read:
        return []
    logits = classes.evidence(torch.stack([vector for _, vector in read]))
    for row, (candidate, _) in enumerate(read):
        for kind, odds in candidate.prior.items():
            if kind in classes.labels:
                logits[row, classes.labels.index(kind)] += odds
    scores, best = functional.softmax(logits, dim=1).max(dim=1)
    return [
        Entity(text[candidate.start : candidate.end], classes.labels[kind], candidate.start, candidate.end, score)
        for (candidate, _), kind, score in zip(read, best.tolist(), scores.tolist(), strict=True)
        if classes.labels[kind] != NONE
    ]


@cache
def _examples() -> tuple[tuple[Passage, str], ...]:
    found = []
    for marked in map(MarkedText.parse, read_data("ner")["examples"]):
        for mark in marked.marks:
            found.append((Passage(marked.text, ((mark.start, mark.end),)), mark.name))
        for word in words_of(marked.text):
            unmarked = all(word.end <= mark.start or word.start >= mark.end for mark in marked.marks)
            if unmarked and len(word.text) > 1 and word.tag.startswith(("n", "vn")):
                found.append((Passage(marked.text, ((word.start, word.end),)), NONE))
    return tuple(found)


def _vector(candidate: Candidate, tokens: TokenVectors) -> Tensor | None:
    # Text after the last token that the model has read has no vector.
    return tokens.mean([(candidate.start, candidate.end)]) if candidate.end <= tokens.end else None
