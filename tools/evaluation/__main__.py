"""The command: python3 -m tools.evaluation --help."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import cli
from tools.environment import UNIT, ensure
from tools.evaluation.client import Service
from tools.evaluation.errors import AnswerError
from tools.evaluation.own_service import MODELS, running
from tools.evaluation.report import Run, as_json, lines
from tools.evaluation.scoring import TaskScores
from tools.evaluation.tasks import TASKS

_DEFAULT_PORT = "5000"
_EPILOG = f"""\
{cli.EXIT_STATUS.format(good="every task was measured, whatever the scores", bad="a task could not be measured")}
The table goes to standard output, progress and errors to standard error. GTE_PORT of the environment is the port asked
by default; GTE_API_KEY is sent as "Authorization: Bearer"."""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Measure a running service and print the scores; returns the exit status."""
    options = _options(arguments)
    names = options.task or list(TASKS)
    if options.model:
        with running(options.model, ensure(UNIT)) as url:
            run = evaluate(Service(url), names)
    else:
        service = Service(options.url or f"http://127.0.0.1:{_port(environ)}", environ.get("GTE_API_KEY", "").strip())
        run = evaluate(service, names)
    if options.json != "-":
        for line in lines(run, options.show_wrong):
            print(line)
    if options.json:
        cli.write_json("--json", options.json, as_json(run))
    for task, reason in run.failed.items():
        print(f"evaluation: {task} could not be measured. {reason}", file=sys.stderr, flush=True)
    return cli.FAILED if run.failed else cli.OK


def evaluate(service: Service, names: Sequence[str]) -> Run:
    """Ask the service all examples of the tasks with these names.

    Raises:
        DataError: a labelled set is damaged; nothing was asked.
        NoAnswerError: the service can't be reached.
        ServiceError: the service isn't ready, or has changed its model meanwhile.
    """
    examples = {name: task.examples() for name, task in TASKS.items() if name in names}
    model = service.model()
    scores: dict[str, TaskScores] = {}
    failed: dict[str, str] = {}
    for name, task_examples in examples.items():
        print(f"... {name}: {len(task_examples)} examples", file=sys.stderr, flush=True)
        try:
            scores[name] = TASKS[name].evaluate(service, task_examples)
        except AnswerError as error:
            failed[name] = str(error)
    return Run(service.url, model, scores, failed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "python3 -m tools.evaluation",
        "Measures how well the tasks of a running service do on labelled sets that come with it.",
        _EPILOG,
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--url", help=f"of the service; default: http://127.0.0.1:{_DEFAULT_PORT}, or GTE_PORT's")
    models = "; ".join(f"{name}: {what}" for name, what in MODELS.items())
    asked.add_argument("--model", choices=MODELS, help=f"ask a service started for it, without Docker: {models}")
    add = parser.add_argument
    add("--task", action="append", choices=TASKS, default=[], help="measure only this task; may be given several times")
    add("--json", metavar="FILE", help="write all figures and wrong examples there, too; -: instead of the table")
    add("--show-wrong", action="store_true", help="list the examples that were not right")
    options = parser.parse_args(arguments)
    if options.json and options.json != "-" and (Path(options.json).is_dir() or not Path(options.json).parent.is_dir()):
        raise cli.UsageError(f"--json {options.json} can't be written: name a file in a folder that exists.")
    return options


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("GTE_PORT", "").strip() or _DEFAULT_PORT
    try:
        return cli.whole_number(1, 65535)(text)
    except argparse.ArgumentTypeError as error:
        raise cli.UsageError(f"GTE_PORT={text!r} is no port: {error}. Correct it.") from error


if __name__ == "__main__":
    sys.exit(cli.run("evaluation", main))
