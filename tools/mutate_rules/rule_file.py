"""Finds the rules in a file of Prometheus rules, with the place of everything in them that can be changed.

Reads the YAML that this project writes, not all YAML: a program that `make` runs has only Python's standard library.
What it can't read it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.cli import ToolError

_ITEM = re.compile(r"^(?P<indent> *)- (?P<key>name|alert|record): *(?P<value>\S+) *$")
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[a-z_]+):(?: +(?P<value>.*?))? *$")
_PLAIN = re.compile(r"[^\s{\[&*!|>'\"%@`][^#]*")
_BLOCK = re.compile(r"[|>][-+]?(?: +#.*)?")


@dataclass(frozen=True)
class Part:
    """A value in a file: its text and where that begins, in characters."""

    text: str
    start: int


@dataclass
class Rule:
    """A rule of a file.

    Attributes:
        name: of its alert or of the series it records.
        alert: whether it is an alert.
        group: the group's name.
        file: the file's name.
        line: where it begins, counted from 1.
        number: 1, or 2 and so on for a further rule of that name in its file.
        values: `expr`, `for` and `keep_firing_for`, where it has them.
        labels: those that it gives, by name.
    """

    name: str
    alert: bool
    group: str
    file: str
    line: int
    number: int = 1
    values: dict[str, Part] = field(default_factory=dict)
    labels: dict[str, Part] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name, with a number where it is not the first of that name: `GTE_LatencyBudget#2`."""
        return self.name if self.number == 1 else f"{self.name}#{self.number}"


def read_rules(path: Path) -> list[Rule]:
    """All rules of a file.

    Raises:
        ToolError: it can't be read.
    """
    return _Reader(path).rules()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def rules(self) -> list[Rule]:
        found: list[Rule] = []
        group = ""
        for at, line in enumerate(self._lines):
            item = _ITEM.match(line)
            if not item:
                if re.match(r"^ *- (alert|record):", line):
                    raise self._error(at, "no rule begins like that")
                continue
            value = item["value"].strip("'\"")
            if item["key"] == "name":
                group = value
                continue
            rule = Rule(value, item["key"] == "alert", group, self._path.name, at + 1)
            rule.number += sum(other.name == value for other in found)
            for key, part in self._keys(at + 1, len(item["indent"]) + 2):
                if key == "labels":
                    rule.labels.update(self._labels(part))
                elif key in ("expr", "for", "keep_firing_for"):
                    rule.values[key] = self._value(part)
            if "expr" not in rule.values:
                raise self._error(at, "this rule has no `expr`")
            found.append(rule)
        return found

    def _keys(self, at: int, indent: int) -> Iterator[tuple[str, int]]:
        """The keys of the mapping from line `at` on that is written with `indent`, and the line of each."""
        while at < len(self._lines):
            line = self._lines[at]
            depth = len(line) - len(line.lstrip(" "))
            if line.strip() and not line.lstrip().startswith("#"):
                if depth < indent:
                    return
                if depth == indent:
                    if not (key := _KEY.match(line)):
                        raise self._error(at, "no key of a rule is written like that")
                    yield key["key"], at
            at += 1

    def _value(self, at: int) -> Part:
        """The value of the key in a line: in the line, or in the deeper lines that follow."""
        key = _KEY.match(self._lines[at])
        assert key  # noqa: S101 (_keys has matched it)
        value = key["value"] or ""
        if _BLOCK.fullmatch(value) or not value:
            return self._deeper(at, len(key["indent"]))
        start = self._starts[at] + key.start("value")
        if quoted := re.fullmatch(r"""("[^"]*"|'[^']*')\s+#.*""", value):
            value = quoted[1]
        if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
            inner = value[1:-1]
            if value[0] in inner or (value[0] == '"' and "\\" in inner):
                raise self._error(at, "a quote inside quotes; write the value as a block (`|`)")
            return Part(inner, start + 1)
        # As in YAML, a blank and a # end what is not quoted.
        value = re.split(r"\s+#", value)[0]
        if not _PLAIN.fullmatch(value) or self._deeper(at, len(key["indent"]), may_be_empty=True).text.strip():
            raise self._error(at, "write this value in one line or as a block (`|`)")
        return Part(value, start)

    def _deeper(self, at: int, indent: int, *, may_be_empty: bool = False) -> Part:
        last = at
        for line in self._lines[at + 1 :]:
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                break
            last += 1
        start, end = self._starts[at + 1], self._starts[last + 1]
        text = "".join(self._lines)[start:end]
        if not text.strip() and not may_be_empty:
            raise self._error(at, "a value is missing")
        return Part(text.rstrip(), start)

    def _labels(self, at: int) -> Iterator[tuple[str, Part]]:
        key = _KEY.match(self._lines[at])
        if not key or key["value"]:
            raise self._error(at, "write one label a line")
        for name, line in self._keys(at + 1, len(key["indent"]) + 2):
            yield name, self._value(line)

    def _error(self, at: int, what: str) -> ToolError:
        return ToolError(f"{self._path}:{at + 1}: {what}: {self._lines[at].strip()!r}")
