"""Prints the launcher's results for people, on standard output and without times."""

from __future__ import annotations

from collections.abc import Sequence

from tools.chinese import said, width


def show(text: str = "") -> None:
    """Print text at once, so that the output of the programs we start can't overtake it."""
    print(said(text), flush=True)


def show_banner(title: str, lines: Sequence[str]) -> None:
    """Print something that nobody may overlook."""
    rule = "!" * 100
    show("\n".join(["", rule, *(f"!!  {said(line)}" for line in (title, *lines)), rule, ""]))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of equal length as columns, two blanks apart."""
    translated = [list(map(said, row)) for row in rows]
    widths = [max(map(width, column)) for column in zip(*translated, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip()
        for row in translated
    )
