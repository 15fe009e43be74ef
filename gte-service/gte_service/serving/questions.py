"""The question of each task that the service asks itself: the task's own example.

The preparer writes them into a file of the run folder. The exporter, which asks them, would otherwise have to load the
libraries of the model only to know them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FILE = "questions.json"


def write_questions(run_dir: Path, questions: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the file.

    Args:
        run_dir: the run folder.
        questions: a valid body of POST /predict for each task, by its name.
    """
    unfinished = run_dir / f".{_FILE}"
    unfinished.write_text(json.dumps(questions, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(run_dir / _FILE)


def read_questions(run_dir: Path) -> dict[str, Any]:
    """The body for each task; empty until the preparer has written the file."""
    try:
        questions: dict[str, Any] = json.loads((run_dir / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return questions
