"""How answers are written as JSON: Chinese stays readable, fields keep their order, and nothing makes it fail."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider


class ReadableJson(DefaultJSONProvider):
    """Text as it is, in UTF-8."""

    ensure_ascii = False
    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """A value as JSON; half a surrogate pair, which a client may send and which has no UTF-8 form, is escaped."""
        text = super().dumps(obj, **kwargs)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
