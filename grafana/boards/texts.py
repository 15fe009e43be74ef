"""Every text of the dashboards, in both languages: `texts.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
FILE = Path(__file__).with_name("texts.toml")


@dataclass(frozen=True)
class Words:
    """The texts of one panel, or another part of a dashboard, in one language.

    Attributes:
        number: the panel's id; 0 where it is no panel.
        texts: by their name; every panel has `title` and `description`.
    """

    number: int
    texts: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    @property
    def none(self) -> str | None:
        """The words where there is no data."""
        return self.texts.get("none")


class Texts:
    """The texts of one dashboard in one language.

    Args:
        board: the dashboard's key in the table.
        language: which of the two.
        whole: the table, if not that of `texts.toml`.
    """

    def __init__(self, board: str, language: Language, whole: dict[str, Any] | None = None) -> None:
        self.language = language
        whole = whole or table()
        self._table = {name: _words(entry, language) for name, entry in {**whole["common"], **whole[board]}.items()}

    def __call__(self, key: str) -> Words:
        return self._table[key]


def table() -> dict[str, Any]:
    """The whole table: dashboard, key, then `id` and pairs of English and Chinese texts."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _words(entry: dict[str, Any], language: Language) -> Words:
    at = LANGUAGES.index(language)
    return Words(entry.get("id", 0), {name: pair[at] for name, pair in entry.items() if name != "id"})
