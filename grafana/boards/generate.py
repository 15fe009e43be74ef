"""Writes the dashboards' JSON files from code: `python3 -m grafana.boards.generate`, from the project's folder.

With `--check` nothing is written, and the status is 1 when a file is not what the code gives.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from grafana.boards.capacity import capacity
from grafana.boards.inside import inside
from grafana.boards.model import Json
from grafana.boards.overview import overview
from grafana.boards.stack import stack
from grafana.boards.texts import LANGUAGES, Language, Texts

DASHBOARDS = Path(__file__).resolve().parents[1] / "dashboards"
BOARDS: dict[str, Callable[[Texts], Json]] = {
    "overview": overview, "inside": inside, "capacity": capacity, "stack": stack,
}  # fmt: skip
"""Every dashboard, by its key in the table of texts."""


def files() -> dict[Path, str]:
    """The text of each dashboard's file; each language has a folder, which is a folder in Grafana."""
    return {
        DASHBOARDS / language / f"gte-{name}.json": json.dumps(model, indent=2, ensure_ascii=False) + "\n"
        for language in LANGUAGES
        for name, model in boards(language).items()
    }


def boards(language: Language) -> dict[str, Json]:
    """The model of each dashboard in a language, by its key."""
    return {name: make(Texts(name, language)) for name, make in BOARDS.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; returns the process's status."""
    parser = argparse.ArgumentParser(prog="python3 -m grafana.boards.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    check = parser.parse_args(arguments).check
    expected = files()
    stale = [path for path, text in expected.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    # A file that no code gives would go on being shown.
    strays = sorted(set(DASHBOARDS.rglob("*.json")) - set(expected))
    for path in stale if check else ():
        print(f"{path}: differs from what the code gives; run python3 -m grafana.boards.generate", file=sys.stderr)
    for path in strays:
        print(f"{path}: no code gives this file; write the code or remove it", file=sys.stderr)
    if not check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[path], encoding="utf-8")
            print(f"wrote {path}")
    return 1 if strays or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
