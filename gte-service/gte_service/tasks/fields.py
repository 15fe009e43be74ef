"""Reads and checks the fields of a request; an error names the wrong field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

from gte_service.errors import InvalidInput, TooLarge

Body = Mapping[str, Any]
_LONGEST_NAME = 40
_MOST_NAMES = 20


def text_of(value: object, field: str) -> str:
    """A field's value, checked to be a text that is not blank.

    Raises:
        InvalidInput: it is not a string, or blank.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{field} must be a string, not {kind_of(value)}.", field=field)
    if not value.strip():
        raise InvalidInput(f"{field} is empty. Send a text with at least one character.", field=field)
    return value


def texts_of(value: object, field: str, max_texts: int) -> list[str]:
    """A field's value, checked to be a list of 1 to `max_texts` texts.

    Raises:
        InvalidInput: it is not a list, it is empty, or an item is not a text.
        TooLarge: it has more than `max_texts` items.
    """
    items = list_of(value, field, max_texts)
    return [text_of(item, f"{field}[{number}]") for number, item in enumerate(items)]


def list_of(value: object, field: str, max_items: int) -> list[Any]:
    """A field's value, checked to be a list of 1 to `max_items` items.

    Raises:
        InvalidInput: it is not a list, or it is empty.
        TooLarge: it has more than `max_items` items.
    """
    if not isinstance(value, list):
        raise InvalidInput(f"{field} must be a list, not {kind_of(value)}.", field=field)
    if not value:
        raise InvalidInput(f"{field} is an empty list. Send at least one item.", field=field)
    if len(value) > max_items:
        raise TooLarge(
            f"{field} has {len(value)} items; one request may have at most {max_items}. Send several requests.",
            field=field,
        )
    return value


def required(body: Body, field: str) -> object:
    """A field's value.

    Raises:
        InvalidInput: the field is missing; the message names the field that was probably meant for it.
    """
    if field not in body:
        # More or longer names would take long to compare.
        names = [name for name in islice(body, _MOST_NAMES) if len(name) <= _LONGEST_NAME]
        near = get_close_matches(field, names, 1)
        hint = f' Is "{near[0]}" a misspelling of it?' if near else ""
        raise InvalidInput(f'the field "{field}" is missing.{hint}', field=field)
    return body[field]


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A sentence, with a space before it, that names the known name most like an unknown one; "" if none is like it."""
    # A longer name would take long to compare, and is no misspelling.
    near = get_close_matches(name[:_LONGEST_NAME].strip().lower(), known, 1)
    return f' Did you mean "{near[0]}"?' if near else ""


def kind_of(value: object) -> str:
    """The JSON name of a value's type, with its article."""
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
