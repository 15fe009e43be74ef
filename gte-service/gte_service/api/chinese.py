"""The messages of the API in Chinese, for the Chinese page; the API itself speaks English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_suffix(".yaml")


@cache
def chinese_messages() -> Mapping[str, str]:
    """The Chinese of each pattern of messages; the file says how it is read."""
    messages: dict[str, str] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return messages


def in_chinese(message: str) -> str:
    """A message in Chinese, or as it is where no pattern matches. `static/words.js` does the same in the browser."""
    for pattern, chinese in chinese_messages().items():
        if found := re.fullmatch(pattern, message, re.DOTALL):
            parts = [message, *map(in_chinese, found.groups(""))]
            return re.sub(r"\$(\d)", lambda place: parts[int(place[1])], chinese)  # noqa: B023 (called at once)
    return message
