"""Reads the command line and the environment once into what a run is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.evaluation.errors import UsageError
from tools.evaluation.tasks import TASKS

DEFAULT_PORT = 5000

EPILOG = """\
Exit status: 0 everything was asked, whatever the scores; 1 something could not be asked; 2 wrong usage. The table goes
to standard output, progress and errors to standard error. GTE_PORT of the environment is the port asked by default;
GTE_API_KEY is sent as "Authorization: Bearer"."""


@dataclass(frozen=True)
class Options:
    """What a run is.

    Attributes:
        url: where the service is.
        api_key: sent along, "" for none.
        tasks: names of what is measured, () for all.
        json_file: where to write everything as JSON, None for nowhere.
        show_wrong: whether to list the examples that were not right.
    """

    url: str
    api_key: str
    tasks: tuple[str, ...]
    json_file: Path | None
    show_wrong: bool


def read_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """The options of this run; an empty variable counts as not set.

    Raises:
        UsageError: an option or a variable can't be used.
        SystemExit: with status 2, as argparse ends it.
    """
    given = _parser().parse_args(arguments)
    if given.json is not None and (given.json.is_dir() or not given.json.parent.is_dir()):
        raise UsageError(f"--json {given.json} can't be written: name a file in a folder that exists.")
    return Options(
        url=given.url if given.url is not None else f"http://127.0.0.1:{_port(environ)}",
        api_key=environ.get("GTE_API_KEY", "").strip(),
        tasks=tuple(given.task),
        json_file=given.json,
        show_wrong=given.show_wrong,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.evaluation",
        description="Measures what the tasks of a running service get right, on labelled sets of its own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--url", help=f"of the service; default: http://127.0.0.1:{DEFAULT_PORT}, or GTE_PORT's")
    add("--task", action="append", choices=TASKS, default=[], help="measure only this task; may be given several times")
    add("--json", type=Path, metavar="FILE", help="write all figures and wrong examples there, too")
    add("--show-wrong", action="store_true", help="list the examples that were not right")
    return parser


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("GTE_PORT", "").strip() or str(DEFAULT_PORT)
    port = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= port <= 65535:
        raise UsageError(f"GTE_PORT={text!r} is no port, a whole number from 1 to 65535. Correct it.")
    return port
