"""Task `similarity`: the cosine of two texts, or of one text against many."""

from __future__ import annotations

from typing import ClassVar

from gte_service.errors import InvalidInput
from gte_service.tasks.protocol import Body, Encode, list_of, required, text_of, texts_of


class Similarity:
    """Pairs of texts get a score each; one text against `candidates` gets scores and their ranking.

    GTE's cosines are high even for texts that have little in common: compare scores with each other, not with a
    fixed threshold.
    """

    name = "similarity"
    example: ClassVar[Body] = {"task_type": "similarity", "input_text": ["今天天气很好", "今天天气不错"]}

    def answer(self, body: Body, encode: Encode, max_texts: int) -> object:
        """`{"score"}` for a pair, a list of them for a list of pairs, `{"scores", "ranking"}` with candidates."""
        value = required(body, "input_text")
        if "candidates" in body:
            return self._rank(value, body["candidates"], encode, max_texts)
        items = list_of(value, "input_text", max_texts) if isinstance(value, list) else []
        if items and all(isinstance(item, list) for item in items):
            pairs = [_pair(item, f"input_text[{number}]") for number, item in enumerate(items)]
            return [{"score": score} for score in self._scores(pairs, encode)]
        if not items:
            raise InvalidInput(
                'input_text must be a pair ["one text", "the other"] or a list of pairs; '
                'to compare one text with many, add "candidates".',
                field="input_text",
            )
        return {"score": self._scores([_pair(items, "input_text")], encode)[0]}

    def _scores(self, pairs: list[list[str]], encode: Encode) -> list[float]:
        vectors = encode([text for pair in pairs for text in pair]).vectors
        scores: list[float] = (vectors[0::2] * vectors[1::2]).sum(dim=1).tolist()
        return scores

    def _rank(self, value: object, candidates: object, encode: Encode, max_texts: int) -> object:
        texts = [text_of(value, "input_text"), *texts_of(candidates, "candidates", max_texts)]
        vectors = encode(texts).vectors
        scores = vectors[1:] @ vectors[0]
        return {"scores": scores.tolist(), "ranking": scores.argsort(descending=True, stable=True).tolist()}


def _pair(value: object, field: str) -> list[str]:
    texts = texts_of(value, field, 2) if isinstance(value, list) and len(value) == 2 else None
    if texts is None:
        raise InvalidInput(f"{field} must hold exactly two texts.", field=field)
    return texts
