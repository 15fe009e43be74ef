"""The interface of a task, and how a batch is answered item by item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from gte_service.errors import InferenceFailed, InvalidInput, ModelBroken, RequestError
from gte_service.tasks.fields import Body, list_of
from gte_service.tasks.model import Model, Passage

Schema = Mapping[str, Any]
"""A JSON Schema (2020-12), as in OpenAPI 3.1."""

_Item = TypeVar("_Item")


class Task(Protocol):
    """Turns one request into a result, using the model."""

    @property
    def name(self) -> str:
        """The `task_type` that clients send."""

    @property
    def summary(self) -> str:
        """A description of the task in one or two sentences, for documents."""

    @property
    def example(self) -> Body:
        """A valid request body, for messages and pages."""

    @property
    def request(self) -> Schema:
        """The schema of a request body, with every field that the task knows."""

    @property
    def result(self) -> Schema:
        """The schema of the result for one item; a list as `input_text` gives a list of these."""

    @property
    def prototypes(self) -> Sequence[Passage]:
        """The texts with which the task compares; their vectors are computed once for each model."""

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        """The result, as values that JSON can hold.

        Args:
            body: the request's JSON object, unchecked.
            model: computes vectors, and has those of this task's prototypes.
            max_texts: most texts of one field.

        Raises:
            InvalidInput: a field is missing or wrong; the message names it.
            TooLarge: more than `max_texts` texts.
        """


def answer_each(
    value: object,
    max_texts: int,
    read: Callable[[object, str], _Item],
    answer: Callable[[Sequence[_Item]], Sequence[object]],
) -> object:
    """Answer one item, or each item of a list: a bad one gets its own error and doesn't fail the rest.

    Args:
        value: the request's `input_text`.
        max_texts: most items of a list.
        read: turns an item and its field name into an argument of `answer`, or raises InvalidInput.
        answer: gives one result for each readable item, in order.

    Raises:
        InvalidInput: the only item is bad, or the list is empty.
        TooLarge: the list is too long.
        InferenceFailed: the model fails at every item.
        ModelBroken: it can't answer any request.
    """
    if not isinstance(value, list):
        return answer([read(value, "input_text")])[0]
    readable: dict[int, _Item] = {}
    results: dict[int, object] = {}
    items = list_of(value, "input_text", max_texts)
    for number, item in enumerate(items):
        try:
            readable[number] = read(item, f"input_text[{number}]")
        except InvalidInput as error:
            results[number] = item_error(error)
    if readable:
        results |= _answered(readable, answer)
    return [results[number] for number in range(len(items))]


def _answered(items: Mapping[int, _Item], answer: Callable[[Sequence[_Item]], Sequence[object]]) -> dict[int, object]:
    """The result of each item by its number; of several at which the model fails, each is answered alone."""
    try:
        return dict(zip(items, answer(list(items.values())), strict=True))
    except ModelBroken:
        raise
    except InferenceFailed as error:
        if len(items) == 1:
            raise
        together = error
    results: dict[int, object] = {}
    failed = 0
    for number, item in items.items():
        try:
            (results[number],) = answer([item])
        except ModelBroken:
            raise
        except InferenceFailed as error:
            failed += 1
            error.field = f"input_text[{number}]"
            results[number] = item_error(error)
    if failed == len(items):
        raise together
    return results


def item_error(error: RequestError) -> object:
    """Takes the place of the result of an item that could not be read, or at which the model failed."""
    return {"error": {"code": error.reason, "message": str(error), "field": error.field}}
