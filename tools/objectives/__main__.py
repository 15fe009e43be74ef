"""Writes prometheus/rules/gte-objectives.yml from tools/objectives/objectives.toml."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools import cli
from tools.objectives.objectives import Objectives, ObjectivesError
from tools.objectives.rules import rules

DATA = Path(__file__).parent / "objectives.toml"
RULES = Path(__file__).resolve().parents[2] / "prometheus" / "rules" / "gte-objectives.yml"
PROGRAM = "python3 -m tools.objectives"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the rules, or check them; returns the exit status."""
    parser = cli.parser(
        PROGRAM,
        "Write the rules for the objectives of each task: the use of their error budgets, and the alerts on it.",
        cli.EXIT_STATUS.format(good="the rules are up to date", bad="with --check, they are not"),
    )
    parser.add_argument("--check", action="store_true", help="write nothing, only say whether the rules are up to date")
    options = parser.parse_args(arguments)
    try:
        expected = rules(Objectives.read(DATA.read_text(encoding="utf-8")))
    except ObjectivesError as error:
        raise cli.UsageError(f"{DATA}: {error}") from error
    if RULES.is_file() and RULES.read_text(encoding="utf-8") == expected:
        return cli.OK
    if options.check:
        print(f"{RULES} is not what {DATA.name} gives. Run {PROGRAM}", file=sys.stderr)
        return cli.FAILED
    RULES.write_text(expected, encoding="utf-8")
    print(f"wrote {RULES}")
    return cli.OK


if __name__ == "__main__":
    sys.exit(cli.run(PROGRAM, main))
