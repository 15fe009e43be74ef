"""The data files of the tasks, and the markup of their examples: "{张三|person}在{北京|place}"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

NONE = "none"
"""The class of a span that is not an entity, relation or event."""

_MARK = re.compile(r"\{([^{}|]+)\|([a-z_]+)\}")


@dataclass(frozen=True)
class Mark:
    """A marked part of a text.

    Attributes:
        name: its label.
        start: its first character.
        end: the character after its last.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class MarkedText:
    """A text without its markup, and where the marks were, in order."""

    text: str
    marks: tuple[Mark, ...]

    @classmethod
    def parse(cls, marked: str) -> MarkedText:
        """Separate a text from its markup."""
        text = ""
        marks = []
        end = 0
        for found in _MARK.finditer(marked):
            text += marked[end : found.start()]
            marks.append(Mark(found[2], len(text), len(text) + len(found[1])))
            text += found[1]
            end = found.end()
        return cls(text + marked[end:], tuple(marks))

    def one(self, name: str) -> Mark:
        """The mark of a name.

        Raises:
            KeyError: there is none.
        """
        for mark in self.marks:
            if mark.name == name:
                return mark
        raise KeyError(f"{self.text!r} has no mark {name!r}")


@cache
def read_data(name: str) -> dict[str, Any]:
    """The data file of a task."""
    text = (files("gte_service.tasks") / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    # The C loader, where PyYAML has it, is ten times as fast.
    data: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return data


@cache
def word_list(task: str, name: str) -> frozenset[str]:
    """A list of words in the data file of a task."""
    return frozenset(map(str, read_data(task)[name]))


def marked_examples(name: str) -> list[tuple[MarkedText, str]]:
    """The example sentences of a data file, each with its type, which may be `none`."""
    data = read_data(name)
    by_type = {**{kind: entry["examples"] for kind, entry in data["types"].items()}, NONE: data["none"]}
    return [(MarkedText.parse(text), kind) for kind, texts in by_type.items() for text in texts]
