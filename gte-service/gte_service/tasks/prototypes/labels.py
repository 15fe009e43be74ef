"""Labels a text by the similarity of its vector to the prototypes of each label, built-in or a client's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gte_service.errors import InvalidInput, TooLarge
from gte_service.tasks.fields import Body, did_you_mean, kind_of, list_of, required, text_of, texts_of
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, answer_each
from gte_service.tasks.prototypes.classes import Classes, fit
from gte_service.tasks.prototypes.files import read_data
from gte_service.tasks.schemas import SCORE, TEXT, object_of, one_or_many, request_of

MOST_LABELS = 64
_FIELDS = ("label", "description", "examples")

LABELS: Schema = {
    "type": "array",
    "minItems": 2,
    "maxItems": MOST_LABELS,
    "uniqueItems": True,
    "items": {
        "anyOf": [
            TEXT,
            {
                "type": "object",
                "properties": {
                    "label": TEXT,
                    "description": {**TEXT, "description": "The meaning of the label, in a sentence."},
                    "examples": {"type": "array", "minItems": 1, "maxItems": 64, "items": TEXT},
                },
                "required": ["label"],
                "additionalProperties": False,
            },
        ]
    },
    "description": "Your own labels, all different. A description or examples make the answer better.",
}

RANKED: Schema = object_of(
    {
        "label": {"type": "string", "description": "The most probable label."},
        "score": SCORE,
        "margin": {**SCORE, "description": "First score minus second score."},
        "ranking": {
            "type": "array",
            "minItems": 2,
            "items": object_of({"label": {"type": "string"}, "score": SCORE}),
            "description": "All labels, the most probable first. Scores add up to 1.",
        },
    }
)


@dataclass(frozen=True)
class Label:
    """A client's label, and the texts that define it."""

    name: str
    texts: tuple[str, ...]


class LabelTask:
    """The common part of `sentiment` and `classification`: built-in labels in a data file, or the client's own."""

    def __init__(self, name: str) -> None:
        """Read the built-in labels from the data file of that name."""
        self._name = name
        labels = read_data(name)["labels"]
        self._owners = [label for label in labels for _ in labels[label]["examples"]]
        self.prototypes = tuple(Passage(text) for label in labels for text in labels[label]["examples"])
        self.request: Schema = request_of(
            name, {"input_text": one_or_many(TEXT, "A text, or a list of texts."), "labels": LABELS}
        )

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        value = required(body, "input_text")
        labels = labels_of(body["labels"], "labels", max_texts) if "labels" in body else None
        return answer_each(value, max_texts, text_of, lambda texts: self._ranked(texts, labels, model))

    def _ranked(self, texts: Sequence[str], labels: Sequence[Label] | None, model: Model) -> list[object]:
        classes = model.prototypes[self._name].derived(self._classes)
        if labels:
            classes = own_classes(labels, classes.temperature, model)
        return [ranked(classes, row) for row in classes.evidence(model.encode(texts).vectors)]

    def _classes(self, vectors: Tensor) -> Classes:
        return fit(list(dict.fromkeys(self._owners)), self._owners, vectors)


def ranked(classes: Classes, logits: Tensor) -> object:
    """The labels in order, each with its probability."""
    scores, order = functional.softmax(logits, dim=0).sort(descending=True, stable=True)
    ranking = [
        {"label": classes.labels[number], "score": round(score, 4)}
        for number, score in zip(order.tolist(), scores.tolist(), strict=True)
    ]
    margin = round(float(scores[0] - scores[1]), 4)
    return {"label": ranking[0]["label"], "score": ranking[0]["score"], "margin": margin, "ranking": ranking}


def own_classes(labels: Sequence[Label], temperature: float, model: Model, *, token_means: bool = False) -> Classes:
    """The classes of a client's labels.

    Args:
        labels: the labels.
        temperature: that of the built-in classes, which depends on the model.
        model: computes the vectors of texts that aren't cached.
        token_means: whether to compare spans and not entire texts.
    """
    vectors = model.encode_cached([text for label in labels for text in label.texts], token_means=token_means)
    parts = torch.split(vectors, [len(label.texts) for label in labels])
    centroids = functional.normalize(torch.stack([part.mean(0) for part in parts]), dim=1)
    return Classes(tuple(label.name for label in labels), centroids, temperature)


def labels_of(value: object, field: str, max_texts: int, least: int = 2) -> list[Label]:
    """A client's labels: names, or objects with a name, a description and examples.

    Raises:
        InvalidInput: it is not such a list, too short, or has a name twice.
        TooLarge: it has too many labels, or more than `max_texts` texts in total.
    """
    items = list_of(value, field, MOST_LABELS)
    labels = [_label(item, f"{field}[{number}]", max_texts) for number, item in enumerate(items)]
    if len(labels) < least:
        raise InvalidInput(f"{field} needs at least {least} labels to choose from.", field=field)
    names = [label.name for label in labels]
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate is not None:
        raise InvalidInput(f"{field} has the label {duplicate[:40]!r} twice. Send each label once.", field=field)
    if sum(len(label.texts) for label in labels) > max_texts:
        raise TooLarge(f"{field} has more than {max_texts} texts in total. Send fewer examples.", field=field)
    return labels


def _label(item: object, field: str, max_texts: int) -> Label:
    if isinstance(item, str):
        name = text_of(item, field)
        return Label(name, (name,))
    if not isinstance(item, dict):
        raise InvalidInput(f'{field} must be a string or an object with "label", not {kind_of(item)}.', field=field)
    unknown = next((name for name in item if name not in _FIELDS), None)
    if unknown is not None:
        raise InvalidInput(
            f"{field} has an unknown field {unknown[:40]!r}.{did_you_mean(unknown, _FIELDS)} "
            f"A label has: {', '.join(_FIELDS)}.",
            field=field,
        )
    if "label" not in item:
        raise InvalidInput(f'{field} lacks "label", its name.', field=f"{field}.label")
    name = text_of(item["label"], f"{field}.label")
    texts = [text_of(item["description"], f"{field}.description")] if "description" in item else []
    if "examples" in item:
        texts += texts_of(item["examples"], f"{field}.examples", min(64, max_texts))
    return Label(name, tuple(texts) or (name,))
