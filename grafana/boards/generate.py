"""Writes the dashboards' JSON files from code: `python3 -m grafana.boards.generate`, from the project's folder.

With `--check` nothing is written, and the status is 1 when a file is not what the code gives.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana.boards.gte_overview import gte_overview

DASHBOARDS = Path(__file__).resolve().parents[1] / "dashboards"


def files() -> dict[Path, str]:
    """The text of each dashboard's file."""
    return {DASHBOARDS / f"{board['uid']}.json": _text(board) for board in (gte_overview(),)}


def _text(board: dict[str, object]) -> str:
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; returns the process's status."""
    parser = argparse.ArgumentParser(prog="python3 -m grafana.boards.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    check = parser.parse_args(arguments).check
    expected = files()
    stale = [path for path, text in expected.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    # A file that no code gives would go on being shown.
    strays = sorted(set(DASHBOARDS.glob("*.json")) - set(expected))
    for path in stale if check else ():
        print(f"{path}: differs from what the code gives; run python3 -m grafana.boards.generate", file=sys.stderr)
    for path in strays:
        print(f"{path}: no code gives this file; write the code or remove it", file=sys.stderr)
    if not check:
        DASHBOARDS.mkdir(exist_ok=True)
        for path in stale:
            path.write_text(expected[path], encoding="utf-8")
            print(f"wrote {path}")
    return 1 if strays or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
