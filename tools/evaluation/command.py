"""The command line: makes one run, tells of it, and ends with a status that says whether everything was asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.evaluation.client import Service
from tools.evaluation.errors import AnswerError, EvaluationError, UsageError
from tools.evaluation.judging import Judgement
from tools.evaluation.options import Options, read_options
from tools.evaluation.report import Run, as_json, lines
from tools.evaluation.tasks import chosen

INCOMPLETE, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Measure a running service; returns the exit status."""
    try:
        options = read_options(arguments, environ)
        run = evaluate(options)
        for line in lines(run, options.show_wrong):
            print(line)
        if options.json_file:
            _write_json(options.json_file, run)
    except UsageError as error:
        _complain(str(error))
        return WRONG_USAGE
    except EvaluationError as error:
        _complain(str(error))
        return INCOMPLETE
    except KeyboardInterrupt:
        _complain("interrupted; there are no figures.")
        return INTERRUPTED
    for task, why in run.failed.items():
        _complain(f"{task} could not be measured. {why}")
    return INCOMPLETE if run.failed else 0


def evaluate(options: Options) -> Run:
    """Ask the service all examples of the tasks.

    Raises:
        UsageError: the address or the key can't be used.
        DataError: a labelled set is damaged; nothing was asked.
        ServiceError: the service can't be reached, isn't ready, or has changed its model meanwhile.
    """
    service = Service(options.url, options.api_key)
    asked = [(task, task.examples()) for task in chosen(options.tasks)]
    model = service.model()
    judged: dict[str, Judgement] = {}
    failed: dict[str, str] = {}
    for task, examples in asked:
        print(f"... {task.name}: {len(examples)} examples", file=sys.stderr, flush=True)
        try:
            judged[task.name] = task.evaluate(service, examples)
        except AnswerError as error:
            failed[task.name] = str(error)
    return Run(service.url, model, judged, failed)


def _write_json(path: Path, run: Run) -> None:
    try:
        path.write_text(json.dumps(as_json(run), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {path} can't be written ({error}). Name another file.") from error


def _complain(text: str) -> None:
    print(f"evaluation: {text}", file=sys.stderr, flush=True)
