"""Task `similarity`: the cosine of two texts, or of one text and many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gte_service.errors import InvalidInput
from gte_service.tasks.fields import Body, required, text_of, texts_of
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, Task, answer_each
from gte_service.tasks.schemas import TEXT, object_of, request_of

_COSINE: Schema = {"type": "number", "minimum": -1.001, "maximum": 1.001}
_PAIR: Schema = {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}


class Similarity:
    """A pair of texts gets a score; a text with `candidates` gets a score for each, and their ranking.

    GTE's cosines are high even for texts that have little in common: compare scores with each other, not with a
    fixed threshold.
    """

    name: ClassVar = "similarity"
    summary: ClassVar = (
        "The cosine of a pair of texts, or of one text with each of its candidates, ranked. "
        "Compare scores with each other, not with a fixed threshold."
    )
    example: ClassVar[Body] = {
        "task_type": "similarity",
        "input_text": "今天天气很好",
        "candidates": ["今天天气不错", "股市大跌", "明天会下雨"],
    }
    request: ClassVar[Schema] = {
        "oneOf": [
            request_of(
                name,
                {"input_text": {"anyOf": [_PAIR, {"type": "array", "minItems": 1, "items": {"type": "array"}}]}},
            ),
            request_of(
                name,
                {
                    "input_text": {"anyOf": [TEXT, {"type": "array", "minItems": 1, "items": {}}]},
                    "candidates": {"type": "array", "items": TEXT, "minItems": 1},
                },
                ("input_text", "candidates"),
            ),
        ]
    }
    result: ClassVar[Schema] = {
        "oneOf": [
            object_of({"score": _COSINE}),
            object_of(
                {
                    "scores": {"type": "array", "items": _COSINE, "description": "Cosines, in the candidates' order."},
                    "ranking": {
                        "type": "array",
                        "items": {"type": "integer", "minimum": 0},
                        "description": "The candidates' positions, the most similar first.",
                    },
                }
            ),
        ]
    }
    prototypes: ClassVar[Sequence[Passage]] = ()

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        value = required(body, "input_text")
        if "candidates" in body:
            candidates = texts_of(body["candidates"], "candidates", max_texts)
            return answer_each(value, max_texts, text_of, lambda texts: _rank(texts, candidates, model))
        if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            return answer_each(value, max_texts, _pair_of, lambda pairs: _scores(pairs, model))
        if not isinstance(value, list) or not value:
            raise InvalidInput(
                'input_text must be a pair ["one text", "the other"] or a list of pairs; '
                'to compare one text with many, add "candidates".',
                field="input_text",
            )
        return _scores([_pair_of(value, "input_text")], model)[0]


def _scores(pairs: Sequence[Sequence[str]], model: Model) -> list[object]:
    vectors = model.encode([text for pair in pairs for text in pair]).vectors
    return [{"score": score} for score in (vectors[0::2] * vectors[1::2]).sum(dim=1).tolist()]


def _rank(texts: Sequence[str], candidates: Sequence[str], model: Model) -> list[object]:
    vectors = model.encode([*texts, *candidates]).vectors
    scores = vectors[: len(texts)] @ vectors[len(texts) :].T
    rankings = scores.argsort(dim=1, descending=True, stable=True)
    return [
        {"scores": row, "ranking": ranking} for row, ranking in zip(scores.tolist(), rankings.tolist(), strict=True)
    ]


def _pair_of(value: object, field: str) -> list[str]:
    texts = texts_of(value, field, 2) if isinstance(value, list) and len(value) == 2 else None
    if texts is None:
        raise InvalidInput(f"{field} must hold exactly two texts.", field=field)
    return texts


TASK: Task = Similarity()
