"""Writes answers as JSON: Chinese stays readable, fields keep their order, and no string makes it fail.

A long list is written item by item: Python writes JSON in one call that no other thread can interrupt. For 2,048
vectors that takes over a second, in which no other request of the worker goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask.json.provider import DefaultJSONProvider

_LONG = 16


class ReadableJson(DefaultJSONProvider):
    """JSON in UTF-8 without escapes."""

    ensure_ascii = False
    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """A value as JSON. Half a surrogate pair, which a client may send and UTF-8 can't encode, is escaped."""
        text = _in_pieces(obj, partial(super().dumps, **kwargs))
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _in_pieces(value: Any, dumps: Callable[[Any], str]) -> str:
    """An answer as JSON: its long lists of lists or objects by their items."""
    if isinstance(value, dict) and any(map(_is_long, value.values())):
        return f"{{{','.join(f'{dumps(name)}:{_in_pieces(field, dumps)}' for name, field in value.items())}}}"
    return f"[{','.join(map(dumps, value))}]" if _is_long(value) else dumps(value)


def _is_long(value: Any) -> bool:
    return isinstance(value, list) and len(value) > _LONG and isinstance(value[0], list | dict)
