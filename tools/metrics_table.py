"""Writes the table of docs/metrics.md: `python3 -m tools.metrics_table`, from the project's folder.

With `--check` nothing is written, and the status is 1 when the table is not what the contract gives.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.metric_contract import CONTRACT, Label, Metric, bound_label

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
BEGIN = "<!-- table: python3 -m tools.metrics_table writes it -->\n"
END = "<!-- end of the table -->\n"
_HEAD = ("metric", "type", "labels and their values", "meaning, and when to alert", "含义，以及何时应告警")


class TableError(Exception):
    """The page has no place for the table; the message says what it lacks."""


def table(contract: Sequence[Metric] = CONTRACT) -> str:
    """The contract as a Markdown table."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *map(_row, contract)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def with_table(page: str, contract: Sequence[Metric] = CONTRACT) -> str:
    """A page with the contract's table between its two markers.

    Raises:
        TableError: it doesn't have each marker once.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise TableError(f"it needs these two lines once each, and the table goes between them:\n{BEGIN}{END}")
    return f"{before}{BEGIN}\n{table(contract)}\n{END}{after}"


def _row(metric: Metric) -> tuple[str, ...]:
    labels = (*metric.labels, bound_label(metric)) if metric.bounds else metric.labels
    return f"`{metric.name}`", metric.kind, "<br>".join(map(_values, labels)) or "–", metric.help, metric.help_zh


def _values(label: Label) -> str:
    known = [f"`{value}`" for value in label.values]
    return f"`{label.name}`: {', '.join([*known, f'=~ `{label.pattern}`'] if label.pattern else known)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the table; returns the process's status."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.metrics_table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the table is up to date")
    check = parser.parse_args(arguments).check
    try:
        page = PAGE.read_text(encoding="utf-8")
        expected = with_table(page)
    except (OSError, TableError) as error:
        print(f"{PAGE}: {error}", file=sys.stderr)
        return 1
    if page == expected:
        return 0
    if check:
        print(f"{PAGE}: its table differs from the contract; run python3 -m tools.metrics_table", file=sys.stderr)
        return 1
    PAGE.write_text(expected, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
