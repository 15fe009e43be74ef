"""Ways to turn a right answer of the fake stack into a wrong one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fake_stack import Edit, Reply


def in_text(old: str, new: str) -> Edit:
    """Puts `new` for each `old`, a regular expression, in a text; raises when there is none."""

    def edit(reply: Reply) -> Reply:
        status, kind, text = reply
        changed, count = re.subn(old, new, text)
        assert count, f"{old} is not in the answer, so nothing would be broken"
        return status, kind, changed

    return edit


def in_json(change: Callable[[Any], Any]) -> Edit:
    """Changes the JSON value of an answer in place, or puts another for it when `change` returns one."""

    def edit(reply: Reply) -> Reply:
        status, kind, content = reply
        return status, kind, change(content) or content

    return edit


def with_status(new: int) -> Edit:
    """Puts another status."""
    return lambda reply: (new, reply[1], reply[2])


def with_kind(new: str) -> Edit:
    """Puts another content type."""
    return lambda reply: (reply[0], new, reply[2])


def put(*path: Any, value: Any) -> Edit:
    """Puts a value at a path of the JSON answer."""

    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return in_json(change)


def drop(*path: Any) -> Edit:
    """Takes what is at a path out of the JSON answer."""

    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        del content[path[-1]]

    return in_json(change)


def no_line(start: str) -> Edit:
    """Takes the lines that begin so out of an exposition."""
    return in_text(rf"(?m)^{start}.*\n", "")
