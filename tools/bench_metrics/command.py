"""The command line: makes a run, prints its table, and ends with a status that says whether targets are reached."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from tools.bench_metrics.report import Row, machine, table
from tools.cli import EXIT_STATUS, FAILED, OK, ToolError, UsageError, list_of, one_of, parser, say, whole_number
from tools.environment import UNIT, ensure

PARTS = ("recording", "scrape", "restarts")
_NEEDED = (
    "flask",
    "gunicorn",
    "prometheus_client",
    "prometheus_flask_exporter",
    "torch",
    "gte_monitoring",
    "gte_service",
)


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Measure the parts that the options name.

    Raises:
        ToolError: a process of the benchmark failed.
    """
    # Imported now: --help needs none of the libraries.
    from tools.bench_metrics import recording, restarts, scrape  # noqa: PLC0415

    if "recording" in options.parts:
        places = {"in memory": options.memory, "on a disk": options.disk}
        yield from recording.measure(options.rounds, options.requests, places)
    if "scrape" in options.parts:
        yield from scrape.measure(options.scrapes, options.memory)
    if "restarts" in options.parts:
        yield from restarts.measure(options.restarts, options.scrapes, options.memory)
        yield from restarts.measure_pid_files(options.pid_restarts, options.memory)


def main(arguments: Sequence[str], measure: Callable[[argparse.Namespace], Iterator[Row]] = measure) -> int:
    """Make a run; returns the exit status.

    Raises:
        ToolError: there are no figures.
    """
    options = read_options(arguments)
    _find_libraries(arguments)
    busy = f"load {os.getloadavg()[0]:.1f} at the start"
    rows = list(measure(options))
    print("\n".join([f"{machine()}, {busy}", *table(rows)]), flush=True)
    missed = sum(row.missed for row in rows)
    if missed:
        say(f"{missed} of {sum(row.target is not None for row in rows)} targets missed.")
    return FAILED if missed else OK


def _find_libraries(arguments: Sequence[str]) -> None:
    """Go on in the environment of the unit tests if a library is missing; it is made first where it is not there."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not missing:
        return
    python = ensure(UNIT, os.environ)
    if Path(sys.prefix) == python.parents[1]:
        raise ToolError(
            f"{python} has no {', '.join(missing)}. Remove {python.parents[1]}: the next run makes it anew."
        )
    os.execv(python, [str(python), "-m", "tools.bench_metrics", *arguments])  # noqa: S606


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of this run, with every default filled in.

    Raises:
        UsageError: a folder can't be used.
        SystemExit: another option can't be used, or help was asked for.
    """
    options = _parser().parse_args(arguments)
    defaults = (30, 100, 1000, 50) if options.quick else (300, 500, 10_000, 300)
    for name, default in zip(("rounds", "scrapes", "restarts", "pid_restarts"), defaults, strict=True):
        setattr(options, name, getattr(options, name) or default)
    for name in ("memory", "disk"):
        if not os.access(path := getattr(options, name), os.W_OK | os.X_OK):
            raise UsageError(f"--{name} {path} is not a folder that can be written to. Name another.")
    return options


def _parser() -> argparse.ArgumentParser:
    options = parser(
        "make bench-metrics ARGS=...",
        "Measures what the metrics cost: recording, scrapes, and restarts of workers.",
        "The table goes to standard output, progress to standard error. Targets hold on an idle machine.\n"
        + EXIT_STATUS.format(good="all targets are reached", bad="a target is missed"),
    )
    add, count = options.add_argument, whole_number(1, 1_000_000)
    add("--quick", action="store_true", help="30 rounds, 100 scrapes, 1000 restarts unless named: a minute")
    add("--parts", type=list_of(one_of(PARTS)), default=PARTS, metavar="PART,PART", help=f"default: {','.join(PARTS)}")
    add("--rounds", type=count, metavar="N", help="of recording, with every app in each; default: 300")
    add("--requests", type=count, default=200, metavar="N", help="of each app in a round; default: %(default)s")
    add("--scrapes", type=count, metavar="N", help="of each kind; default: 500")
    add("--restarts", type=count, metavar="N", help="of workers; default: 10000")
    add("--pid-restarts", type=count, metavar="N", help="with files by process id; default: 300")
    # New folders are made in these, and removed again.
    memory, disk = Path("/dev/shm"), Path("/var/tmp")  # noqa: S108
    add("--memory", type=Path, default=memory, metavar="FOLDER", help="for files in memory; default: %(default)s")
    add("--disk", type=Path, default=disk, metavar="FOLDER", help="for files on a disk; default: %(default)s")
    return options
