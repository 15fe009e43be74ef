"""What the launcher says to the person in front of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def say(text: str = "") -> None:
    """Print a line at once: the output of the programs we start must not overtake it."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print an error."""
    print(text, file=sys.stderr, flush=True)


def loud(title: str, lines: Sequence[str]) -> None:
    """Print what must not be overlooked."""
    rule = "!" * 100
    print("\n".join(["", rule, f"!!  {title}", *(f"!!  {line}" for line in lines), rule, ""]), flush=True)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as columns of even width, two blanks apart."""
    widths: list[int] = []
    for row in rows:
        for column, cell in enumerate(row):
            if column == len(widths):
                widths.append(0)
            widths[column] = max(widths[column], len(cell))
    lines = ("  ".join(cell.ljust(widths[column]) for column, cell in enumerate(row)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
