"""The runbooks' pages and the commands in their blocks: a diagnosis looks, a mitigation changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from tests.config.promtool import ALERTS
from tools import ROOT

PAGES = ROOT / "docs" / "runbooks"
NAMES = sorted(set(ALERTS))
HEADINGS = {
    ".md": ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation", "## When it is wrong"],
    ".zh-CN.md": ["## 含义", "## 影响", "## 诊断", "## 处理", "## 误报与漏报"],
}
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.M | re.S)
# The first line of a block sets what is to be replaced, such as the name of a task.
_GIVEN = re.compile(r"([A-Z]+)=(\S+)")


@dataclass(frozen=True)
class Command:
    """A line of a block.

    Attributes:
        text: as it is written.
        given: the assignment in the block's first line; empty without one.
    """

    text: str
    given: str = ""

    @property
    def script(self) -> str:
        """What a shell runs: the assignment, if the command needs it, and the command."""
        name = self.given.partition("=")[0]
        return f"{self.given}\n{self.text}" if self.given and f"${name}" in self.text else self.text

    @property
    def replaced(self) -> str:
        """The command with the value in the variable's place."""
        name, _, value = self.given.partition("=")
        return self.text.replace(f'"${name}"', value).replace(f"${name}", value) if self.given else self.text


@dataclass(frozen=True)
class Page:
    """One runbook in one language: its text, and the blocks of its diagnosis and its mitigation."""

    text: str
    looks: tuple[tuple[Command, ...], ...]
    changes: tuple[tuple[Command, ...], ...]

    @property
    def commands(self) -> list[Command]:
        """Every command, in order."""
        return [command for block in (*self.looks, *self.changes) for command in block]


def page(alert: str, ending: str = ".md") -> Page:
    """The page of an alert; the ending of its file says in which language."""
    text = (PAGES / f"{alert}{ending}").read_text(encoding="utf-8")
    looks, changes = text.partition(f"\n{HEADINGS[ending][3]}\n")[::2]
    return Page(text, tuple(_blocks(looks)), tuple(_blocks(changes)))


def _blocks(text: str) -> Iterator[tuple[Command, ...]]:
    for _, block in _BLOCK.findall(text):
        lines = dedent(block).splitlines()
        given = lines.pop(0) if _GIVEN.fullmatch(lines[0]) else ""
        yield tuple(Command(line, given) for line in lines)
