"""What the regular expression of a matcher can match: simple expressions in ASCII, character by character."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import cache
from itertools import product

_CHARACTERS = tuple(string.printable)
_ATOM = re.compile(r"\\.|\[\^?\]?[^]]*\]|(?![\\\[\](){}*+?|^$])[ -~]")
_REPEAT = re.compile(r"[*+?]|\{\d+\}")


class IntricateError(ValueError):
    """An expression holds more than can be judged here; the message names it."""


@dataclass(frozen=True)
class Step:
    """A place in a text.

    Attributes:
        text: how the expression writes it.
        characters: which can stand there.
        optional: whether it can be left out.
        repeated: whether more of them can follow.
    """

    text: str
    characters: frozenset[str]
    optional: bool = False
    repeated: bool = False


Path = tuple[Step, ...]


def paths(pattern: str) -> list[Path]:
    """The ways through an expression that `|` gives, also inside groups: `a(b|c)|d` has `ab`, `ac` and `d`.

    Raises:
        IntricateError: it has a repeated group, an anchor or the like.
    """
    found, end = _choice(pattern, 0)
    if end < len(pattern):
        raise _intricate(pattern)
    return found


def written(path: Path) -> str:
    """A way through an expression, as one would write it."""
    return "".join(step.text for step in path)


def overlap(one: Path, other: Path) -> bool:
    """Whether some text takes both ways."""

    @cache
    def meet(at: int, to: int) -> bool:
        if at == len(one) and to == len(other):
            return True
        if at < len(one) and one[at].optional and meet(at + 1, to):
            return True
        if to < len(other) and other[to].optional and meet(at, to + 1):
            return True
        if at == len(one) or to == len(other) or not one[at].characters & other[to].characters:
            return False
        # Both take a character of the text, after which a repeated step may take more.
        return (
            meet(at + 1, to + 1)
            or (one[at].repeated and meet(at, to + 1))
            or (other[to].repeated and meet(at + 1, to))
        )  # fmt: skip

    return meet(0, 0)


def _choice(pattern: str, at: int) -> tuple[list[Path], int]:
    found, at = _sequence(pattern, at)
    while pattern[at : at + 1] == "|":
        more, at = _sequence(pattern, at + 1)
        found += more
    return found, at


def _sequence(pattern: str, at: int) -> tuple[list[Path], int]:
    found: list[Path] = [()]
    while at < len(pattern) and pattern[at] not in "|)":
        if pattern[at] == "(":
            inner, at = _group(pattern, at)
        else:
            steps, at = _steps(pattern, at)
            inner = [steps]
        found = [before + after for before, after in product(found, inner)]
    return found, at


def _group(pattern: str, at: int) -> tuple[list[Path], int]:
    found, at = _choice(pattern, at + (3 if pattern.startswith("(?:", at) else 1))
    if pattern[at : at + 1] != ")":
        raise _intricate(pattern)
    # A repetition that follows is no step, and so refused there.
    return found, at + 1


def _steps(pattern: str, at: int) -> tuple[Path, int]:
    atom = _ATOM.match(pattern, at)
    if not atom:
        raise _intricate(pattern)
    matching = re.compile(atom[0])
    characters = frozenset(each for each in _CHARACTERS if matching.fullmatch(each))
    repeat = _REPEAT.match(pattern, atom.end())
    if not repeat:
        return (Step(atom[0], characters),), atom.end()
    if repeat[0].startswith("{"):
        return (Step(atom[0], characters),) * int(repeat[0][1:-1]), repeat.end()
    step = Step(atom[0] + repeat[0], characters, optional=repeat[0] != "+", repeated=repeat[0] != "?")
    return (step,), repeat.end()


def _intricate(pattern: str) -> IntricateError:
    return IntricateError(f"{pattern!r} can't be judged: write names, classes and joined alternatives, without ^ and $")
