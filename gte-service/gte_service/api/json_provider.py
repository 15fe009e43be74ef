"""Writes answers as JSON: Chinese stays readable, fields keep their order, and no string makes it fail."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider


class ReadableJson(DefaultJSONProvider):
    """JSON in UTF-8 without escapes."""

    ensure_ascii = False
    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """A value as JSON. Half a surrogate pair, which a client may send and UTF-8 can't encode, is escaped."""
        text = super().dumps(obj, **kwargs)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
