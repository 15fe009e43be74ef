"""Reads the command line once into what a run is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench_metrics.errors import UsageError
from tools.bench_metrics.folders import disk_folder, memory_folder

PARTS = ("recording", "http", "scrape", "restarts")

EPILOG = """\
Exit status: 0 every target that was measured is reached; 1 one is missed; 2 wrong usage; 3 there are no figures.
The table goes to standard output, progress to standard error. Targets hold on a machine that does nothing else."""


@dataclass(frozen=True)
class Options:
    """What a run is.

    Attributes:
        parts: what is measured.
        rounds: how often each way of recording has its turn.
        requests: of a turn.
        scrapes: of each kind.
        restarts: of workers that write under slots.
        pid_restarts: of workers that write under their process ids.
        memory: where metric files in memory are put.
        disk: where those on a disk are, None where there is no disk.
    """

    parts: tuple[str, ...]
    rounds: int
    requests: int
    scrapes: int
    restarts: int
    pid_restarts: int
    memory: Path
    disk: Path | None


def read_options(arguments: Sequence[str]) -> Options:
    """The options of this run.

    Raises:
        UsageError: one can't be used.
        SystemExit: with status 2, as argparse ends it.
    """
    given = _parser().parse_args(arguments)
    if given.disk and not given.disk.is_dir():
        raise UsageError(f"--disk {given.disk} is no folder: name one that exists.")
    rounds, scrapes, restarts, pid_restarts = (30, 100, 1000, 50) if given.quick else (300, 500, 10_000, 300)
    return Options(
        parts=given.parts,
        rounds=given.rounds or rounds,
        requests=given.requests,
        scrapes=given.scrapes or scrapes,
        restarts=given.restarts or restarts,
        pid_restarts=given.pid_restarts or pid_restarts,
        memory=memory_folder(),
        disk=disk_folder(given.disk),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-metrics ARGS=...",
        description="Measures what the metrics cost: recording, scrapes, and restarts of workers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="30 rounds, 100 scrapes, 1000 restarts unless told otherwise: a minute")
    add("--parts", type=_parts, default=PARTS, metavar="PART,PART", help=f"default: all, {', '.join(PARTS)}")
    add("--rounds", type=_from(1), metavar="N", help="turns of each way of recording; default: 300")
    add("--requests", type=_from(10), default=200, metavar="N", help="requests of a turn; default: %(default)s")
    add("--scrapes", type=_from(1), metavar="N", help="of each kind; default: 500")
    add("--restarts", type=_from(1), metavar="N", help="of workers; default: 10000")
    add("--pid-restarts", type=_from(1), metavar="N", help="of workers that write by process id; default: 300")
    add("--disk", type=Path, metavar="FOLDER",
        help="on a disk, for metric files, too; default: the folder for temporary files, if it is")  # fmt: skip
    return parser


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if odd := next((part for part in parts if part not in PARTS), None):
        raise argparse.ArgumentTypeError(f"{odd!r} is none of {', '.join(PARTS)}")
    return parts


def _from(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return number

    return read
