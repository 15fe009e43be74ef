"""Splits PromQL into tokens, so that a change is made to what it means and never inside a string or a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.cli import ToolError

AGGREGATIONS = frozenset({
    "avg", "bottomk", "count", "count_values", "group", "limitk", "limit_ratio", "max", "min", "quantile", "stddev",
    "stdvar", "sum", "topk",
})  # fmt: skip
SET_OPERATORS = frozenset({"and", "or", "unless"})
GROUPINGS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = SET_OPERATORS | GROUPINGS | {"offset", "bool", "atan2", "inf", "Inf", "nan", "NaN"}

_STRING = r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`"""
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+(?!\w)"
_NUMBER = r"0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_OPERATOR = r"==|!=|>=|<=|=~|!~|[-+*/%^<>=@,(){}\[\]]"
_TOKEN = re.compile(
    rf"(?P<blank>\s+|\#[^\n]*)|(?P<string>{_STRING})|(?P<duration>{_DURATION})|(?P<number>{_NUMBER})"
    rf"|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<operator>{_OPERATOR})"
)
# `[1h:5s]`: the colon is no beginning of a name.
_TOKEN_OF_RANGE = re.compile(rf"(?P<blank>\s+)|(?P<duration>{_DURATION})|(?P<number>{_NUMBER})|(?P<operator>[:\]])")


@dataclass(frozen=True)
class Token:
    """A piece of an expression.

    Attributes:
        kind: `string`, `duration`, `number`, `name` or `operator`; brackets and commas are operators.
        text: as it is written.
        start: its position in the expression, in characters.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The position behind it."""
        return self.start + len(self.text)


def tokens(expression: str) -> list[Token]:
    """All tokens of an expression, blanks and comments left out.

    Raises:
        ToolError: it holds something that is no PromQL.
    """
    return list(_read(expression))


def metrics(expression: str) -> set[str]:
    """The names of the series that an expression selects."""
    found = tokens(expression)
    names = set()
    inside = ""
    for at, token in enumerate(found):
        follows = found[at + 1].text if at + 1 < len(found) else ""
        if token.text in ("{", "}"):
            inside = "}" if token.text == "{" else ""
        elif token.text in GROUPINGS and follows == "(":
            inside = ")"
        elif token.text == ")" and inside == ")":
            inside = ""
        elif token.kind == "name" and not inside and follows != "(" and token.text not in _WORDS | AGGREGATIONS:
            names.add(token.text)
    return names


def _read(expression: str) -> Iterator[Token]:
    at = 0
    pattern = _TOKEN
    while at < len(expression):
        found = pattern.match(expression, at)
        if not found:
            raise ToolError(f"{expression[at : at + 20]!r} is no PromQL that this program knows, in: {expression}")
        at = found.end()
        kind = str(found.lastgroup)
        if kind != "blank":
            yield Token(kind, found[0], found.start())
            pattern = {"[": _TOKEN_OF_RANGE, "]": _TOKEN}.get(found[0], pattern)
