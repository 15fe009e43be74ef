"""What a task is, and how it gets its items, so that a batch is answered item by item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from gte_service.errors import InvalidInput
from gte_service.tasks.fields import Body, list_of
from gte_service.tasks.model import Model, Passage

Schema = Mapping[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 has them."""

_Item = TypeVar("_Item")


class Task(Protocol):
    """Turns one request into a result, by means of the model."""

    @property
    def name(self) -> str:
        """The `task_type` that clients send."""

    @property
    def summary(self) -> str:
        """What it does, in a sentence or two, for documents."""

    @property
    def example(self) -> Body:
        """A request body that works, for messages and pages."""

    @property
    def request(self) -> Schema:
        """The schema of a request body; names every field that the task knows."""

    @property
    def result(self) -> Schema:
        """The schema of the result for one item. A list as `input_text` gives a list of these."""

    @property
    def prototypes(self) -> Sequence[Passage]:
        """The texts whose vectors the task compares with; they are computed once a model."""

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        """The result, of types JSON knows.

        Args:
            body: the request's JSON object, which may hold anything.
            model: the model, and the vectors of this task's prototypes.
            max_texts: most texts that one field may hold.

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
        value: what the client sent as `input_text`.
        max_texts: most items of a list.
        read: turns an item and the name of its field into what `answer` wants, or raises InvalidInput.
        answer: one result for each item that could be read, in order.

    Raises:
        InvalidInput: the only item is bad, or the list is empty.
        TooLarge: the list is too long.
    """
    if not isinstance(value, list):
        return answer([read(value, "input_text")])[0]
    read_items: list[_Item] = []
    errors: dict[int, InvalidInput] = {}
    items = list_of(value, "input_text", max_texts)
    for number, item in enumerate(items):
        try:
            read_items.append(read(item, f"input_text[{number}]"))
        except InvalidInput as error:
            errors[number] = error
    results = iter(answer(read_items) if read_items else ())
    return [item_error(errors[number]) if number in errors else next(results) for number in range(len(items))]


def item_error(error: InvalidInput) -> object:
    """What stands in the place of the result of an item that could not be read."""
    return {"error": {"code": error.reason, "message": str(error), "field": error.field}}
