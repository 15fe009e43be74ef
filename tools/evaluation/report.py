"""Tells of a run: one table for people, and everything as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tools.evaluation.client import Model
from tools.evaluation.scoring import TaskScores

HEAD = ("task", "examples", "measure", "score", "from")
_RULE = "!" * 100


@dataclass(frozen=True)
class Run:
    """The results of a run.

    Attributes:
        url: where the service is.
        model: which model answered.
        scores: the scores of each task that was measured, by name.
        failed: why a task has no figures, by name.
    """

    url: str
    model: Model
    scores: Mapping[str, TaskScores]
    failed: Mapping[str, str]


def lines(run: Run, show_wrong: bool) -> Iterator[str]:
    """The report, line by line."""
    yield f"Model: {run.model.name}, revision {run.model.revision}, at {run.url}"
    if run.model.demo:
        yield from (
            _RULE,
            "!!  THE DEMO MODEL ANSWERS. These scores are a floor, it compares characters only.",
            "!!  They say nothing about GTE.",
            _RULE,
        )
    yield ""
    rows = [
        (task, str(measure.examples), measure.name, f"{measure.score:.3f}", measure.basis)
        for task, scores in run.scores.items()
        for measure in scores.measures
    ]
    yield from _table([HEAD, *rows, *((task, "–", "not measured, see below", "–", "") for task in run.failed)])
    if show_wrong:
        for task, scores in run.scores.items():
            yield ""
            yield f"{task}: {len(scores.wrong)} of {scores.examples} not wholly right"
            for wrong in scores.wrong:
                yield f"  {wrong.where}  {wrong.text}"
                yield f"    expected: {wrong.expected}"
                yield f"    found:    {wrong.found}"


def as_json(run: Run) -> dict[str, Any]:
    """The run for programs."""
    return {
        "url": run.url,
        "model": run.model.name,
        "revision": run.model.revision,
        "demo": run.model.demo,
        "tasks": {task: asdict(scores) for task, scores in run.scores.items()},
        "failed": dict(run.failed),
    }


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(widths[place]) if HEAD[place] in {"examples", "score"} else cell.ljust(widths[place])
            for place, cell in enumerate(row)
        ]
        yield "  ".join(cells).rstrip()
