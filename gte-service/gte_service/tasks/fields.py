"""How fields of a request are read, so that a wrong one is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gte_service.errors import InvalidInput, TooLarge

Body = Mapping[str, Any]


def text_of(value: object, field: str) -> str:
    """A field's value, checked to be a text that is not empty.

    Raises:
        InvalidInput: it is not.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{field} must be a string, not {kind_of(value)}.", field=field)
    if not value.strip():
        raise InvalidInput(f"{field} is empty. Send a text with at least one character.", field=field)
    return value


def texts_of(value: object, field: str, max_texts: int) -> list[str]:
    """A field's value, checked to be a list of 1 to `max_texts` texts.

    Raises:
        InvalidInput: it is not a list, or it is empty, or an item is no text.
        TooLarge: it is longer than that.
    """
    items = list_of(value, field, max_texts)
    return [text_of(item, f"{field}[{number}]") for number, item in enumerate(items)]


def list_of(value: object, field: str, max_items: int) -> list[Any]:
    """A field's value, checked to be a list of 1 to `max_items` items.

    Raises:
        InvalidInput: it is not a list, or it is empty.
        TooLarge: it is longer than that.
    """
    if not isinstance(value, list):
        raise InvalidInput(f"{field} must be a list, not {kind_of(value)}.", field=field)
    if not value:
        raise InvalidInput(f"{field} is an empty list. Send at least one item.", field=field)
    if len(value) > max_items:
        raise TooLarge(
            f"{field} has {len(value)} items; at most {max_items} fit into one request. Send several requests.",
            field=field,
        )
    return value


def required(body: Body, field: str) -> object:
    """A field's value.

    Raises:
        InvalidInput: the field is missing.
    """
    if field not in body:
        raise InvalidInput(f'the field "{field}" is missing.', field=field)
    return body[field]


def kind_of(value: object) -> str:
    """What JSON calls the type of a value."""
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
