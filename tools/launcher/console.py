"""Prints the launcher's results for people, on standard output and without times."""

from __future__ import annotations

from collections.abc import Sequence


def show(text: str = "") -> None:
    """Print text at once, so that the output of the programs we start can't overtake it."""
    print(text, flush=True)


def show_banner(title: str, lines: Sequence[str]) -> None:
    """Print something that nobody may overlook."""
    rule = "!" * 100
    show("\n".join(["", rule, f"!!  {title}", *(f"!!  {line}" for line in lines), rule, ""]))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of equal length as columns, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
