"""Makes the mutants of a rule: copies of its file in which one thing is different."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.cli import ToolError
from tools.mutate_rules.promql import AGGREGATIONS, GROUPINGS, SET_OPERATORS, Token, tokens
from tools.mutate_rules.rule_file import Part, Rule

# By a quarter up and a fifth down: a test just under a threshold, or just short of a wait, must be nearer than that.
UP, DOWN = 1.25, 0.8
# A wait changes by whole evaluations at least, or it would be the same wait.
EVALUATION_SECONDS = 5

COMPARISONS: Mapping[str, tuple[str, ...]] = {
    "==": ("!=",), "!=": ("==",), ">": (">=", "<"), ">=": (">", "<"), "<": ("<=", ">"), "<=": ("<", ">"),
}  # fmt: skip
ARITHMETIC: Mapping[str, str] = {"+": "-", "-": "+", "*": "/", "/": "*"}
MATCHINGS: Mapping[str, str] = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
SEVERITIES: Mapping[str, str] = {
    "critical": "warning", "warning": "critical", "info": "warning", "none": "warning",
}  # fmt: skip
# What is put in the place of a function or aggregation: one that takes the same arguments and is easily confused
# with it. () where there is none: its arguments are changed instead.
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "rate": ("increase", "delta"), "increase": ("rate", "delta"), "irate": ("rate",), "delta": ("increase",),
    "idelta": ("irate",), "deriv": ("rate",), "changes": ("resets",), "resets": ("changes",),
    "max_over_time": ("min_over_time", "last_over_time"), "min_over_time": ("max_over_time", "last_over_time"),
    "avg_over_time": ("max_over_time", "last_over_time"), "sum_over_time": ("avg_over_time",),
    "count_over_time": ("sum_over_time",), "last_over_time": ("max_over_time", "min_over_time"),
    "stddev_over_time": ("avg_over_time",), "stdvar_over_time": ("avg_over_time",),
    "present_over_time": ("count_over_time",), "absent_over_time": ("present_over_time",), "absent": ("count",),
    "clamp_min": ("clamp_max",), "clamp_max": ("clamp_min",), "ceil": ("floor",), "floor": ("ceil",),
    "round": ("floor",), "abs": ("ceil",), "hour": ("minute",), "minute": ("hour",),
    "day_of_week": ("day_of_month",), "day_of_month": ("day_of_week",),
    "sum": ("max",), "max": ("min",), "min": ("max",), "avg": ("max",), "count": ("sum",), "group": ("count",),
    "topk": ("bottomk",), "bottomk": ("topk",), "stddev": ("avg",), "stdvar": ("avg",),
    "quantile": (), "count_values": (), "limitk": (), "limit_ratio": (),
    "histogram_quantile": (), "quantile_over_time": (), "predict_linear": (), "clamp": (), "scalar": (),
    "vector": (), "time": (), "timestamp": (), "label_replace": (), "label_join": (), "sort": (), "sort_desc": (),
    "sqrt": (), "ln": (), "log2": (), "log10": (), "exp": (), "sgn": (),
}  # fmt: skip

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}


@dataclass(frozen=True)
class Mutant:
    """A change to a rule.

    Attributes:
        rule: which is changed.
        change: what is changed, in words that hold for this change of the rule alone.
        start: where in the file, in characters.
        end: the position behind what is replaced.
        text: what takes its place.
    """

    rule: Rule
    change: str
    start: int
    end: int
    text: str

    def applied(self, content: str) -> str:
        """The content of the rule's file with this change."""
        return content[: self.start] + self.text + content[self.end :]


@dataclass(frozen=True)
class _Change:
    """A change to an expression: `kind` in words, the characters from `start` to `end`, and what takes their place."""

    kind: str
    start: int
    end: int
    text: str


def mutants(rule: Rule) -> list[Mutant]:
    """All mutants of a rule.

    Raises:
        ToolError: its expression can't be read, or has a function that no list here names.
    """
    found: list[Mutant] = []
    taken: dict[str, int] = {}

    def add(change: str, part: Part, start: int, end: int, text: str) -> None:
        taken[change] = taken.get(change, 0) + 1
        unique = change if taken[change] == 1 else f"{change} ({taken[change]})"
        found.append(Mutant(rule, unique, part.start + start, part.start + end, text))

    expression = rule.values["expr"]
    try:
        for change in _Expression(expression.text).changes():
            add(_described(expression.text, change), expression, change.start, change.end, change.text)
    except ToolError as error:
        raise ToolError(f"{rule.file}:{rule.line}: {rule.name}: {error}") from error
    for key in ("for", "keep_firing_for"):
        if part := rule.values.get(key):
            for wait in _other_waits(part.text):
                add(f"{key} {part.text} → {wait}", part, 0, len(part.text), wait)
    for name, part in rule.labels.items():
        other = SEVERITIES.get(part.text, "warning") if name == "severity" else f"not-{part.text}"
        add(f"{name} {part.text} → {other}", part, 0, len(part.text), other)
    return found


class _Expression:
    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)

    def changes(self) -> Iterator[_Change]:
        for at, token in enumerate(self._tokens):
            follows = self._text(at + 1)
            if token.text == "{":
                yield from self._matchers(at)
            elif token.text in GROUPINGS and follows == "(":
                yield from self._grouping(at)
            elif token.text == "bool":
                yield _Change("comparison drop", token.start, token.end, "")
            else:
                kind, others = self._others(at, token, follows)
                for text in others:
                    yield _replace(kind, token, text)

    def _others(self, at: int, token: Token, follows: str) -> tuple[str, Sequence[str]]:
        """What kind of thing a token is, and what can take its place."""
        if token.kind == "number":
            return "number", _other_numbers(token.text)
        if token.kind == "duration":
            length = milliseconds(token.text)
            return self._kind_of_window(at), [_duration(length * factor) for factor in (2.0, 0.5)]
        if token.text in SET_OPERATORS:
            return "set operator", sorted(SET_OPERATORS - {token.text})
        if token.text in COMPARISONS and not self._in_braces(at):
            return "comparison", COMPARISONS[token.text]
        if token.text in ARITHMETIC and self._is_binary(at):
            return "operator", (ARITHMETIC[token.text],)
        return "function", self._other_functions(token, follows)

    @staticmethod
    def _other_functions(token: Token, follows: str) -> tuple[str, ...]:
        is_function = follows == "(" or (token.text in AGGREGATIONS and follows in ("by", "without"))
        if token.kind != "name" or not is_function or token.text in GROUPINGS | SET_OPERATORS | {"start", "end"}:
            return ()
        if token.text not in FUNCTIONS:
            raise ToolError(
                f"{token.text} is no function that this program can change; add it to FUNCTIONS in "
                "tools/mutate_rules/mutants.py."
            )
        return FUNCTIONS[token.text]

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""

    def _is_binary(self, at: int) -> bool:
        """Whether a `+` or `-` stands between two operands, and not before a number."""
        before = self._tokens[at - 1] if at else None
        return before is not None and (
            before.kind in ("number", "string", "duration")
            or before.text in (")", "]", "}")
            or (before.kind == "name" and before.text not in SET_OPERATORS | {"bool", "offset"})
        )

    def _in_braces(self, at: int) -> bool:
        before = [token.text for token in self._tokens[:at]]
        return before.count("{") > before.count("}")

    def _kind_of_window(self, at: int) -> str:
        before = self._text(at - 1) if self._text(at - 1) not in ("-", "+") else self._text(at - 2)
        return {"[": "range", ":": "resolution", "offset": "offset"}.get(before, "duration")

    def _elements(self, opening: int) -> list[list[Token]]:
        """What stands between a bracket and its end, split at the commas."""
        closing = {"{": "}", "(": ")"}[self._text(opening)]
        elements: list[list[Token]] = [[]]
        for token in self._tokens[opening + 1 :]:
            if token.text == closing:
                break
            if token.text == ",":
                elements.append([])
            else:
                elements[-1].append(token)
        return [element for element in elements if element]

    def _matchers(self, opening: int) -> Iterator[_Change]:
        elements = self._elements(opening)
        has_name = opening > 0 and self._tokens[opening - 1].kind == "name"
        for at, element in enumerate(elements):
            operator = next(token for token in element if token.text in MATCHINGS)
            yield _replace("matcher", operator, MATCHINGS[operator.text])
            # A selector must say something.
            if has_name or len(elements) > 1:
                yield _drop("matcher drop", elements, at)

    def _grouping(self, at: int) -> Iterator[_Change]:
        elements = self._elements(at + 1)
        for index in range(len(elements)):
            yield _drop("label drop", elements, index)
        if self._text(at) in ("by", "on") and "instance" not in {element[0].text for element in elements}:
            start = self._tokens[at + 1].end
            yield _Change("label add", start, start, "instance, " if elements else "instance")


def _replace(kind: str, token: Token, text: str) -> _Change:
    return _Change(kind, token.start, token.end, text)


def _drop(kind: str, elements: Sequence[Sequence[Token]], at: int) -> _Change:
    """Leave out one element of a list, with the comma that it needs no longer."""
    start, end = elements[at][0].start, elements[at][-1].end
    if at + 1 < len(elements):
        end = elements[at + 1][0].start
    elif at:
        start = elements[at - 1][-1].end
    return _Change(kind, start, end, "")


def _described(expression: str, change: _Change) -> str:
    """A change in words, with what stands around it: blanks and comments are left out, so a new layout is the same."""
    before, old, after = (
        re.sub(r"\s+", " ", re.sub(r"#[^\n]*\n", "", part))
        for part in (expression[: change.start], expression[change.start : change.end], expression[change.end :])
    )
    before, after = before.lstrip(), after.rstrip()
    if len(before) > 40:
        before = "…" + before[-40:]
    if len(after) > 20:
        after = after[:20] + "…"
    if not change.text:
        return f"{change.kind}: {before}‹{old.strip()}›{after}"
    return f"{change.kind}: {before}‹{f'{old} → ' if old else '+ '}{change.text.strip()}›{after}"


def _other_numbers(text: str) -> list[str]:
    value = float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    if value in (0.0, 1.0):
        return [_number(other) for other in (value + 1, value - 1) if other >= 0]
    # A share stays a share: 1.19 is no quantile.
    up = (1 + value) / 2 if 0.5 < value < 1 else value * UP
    return [_number(up), _number(value * DOWN)]


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else repr(value)


def _other_waits(text: str) -> list[str]:
    length = milliseconds(text)
    if not length:
        return ["1m"]
    step = EVALUATION_SECONDS * 1000
    least = max(step, round(length * (UP - 1) / step) * step)
    less = max(step, round(length * (1 - DOWN) / step) * step)
    return [_duration(length + least), _duration(max(0, length - less))]


def milliseconds(text: str) -> int:
    """The length of a duration such as 1h30m.

    Raises:
        ToolError: it is none.
    """
    if text == "0":
        return 0
    if not re.fullmatch(r"(\d+(ms|[smhdwy]))+", text):
        raise ToolError(f"{text!r} is no duration such as 30s or 1h30m.")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def _duration(milliseconds: float) -> str:
    left = round(milliseconds)
    written = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS[unit])
        written += f"{count}{unit}" if count else ""
    return written or "0s"
