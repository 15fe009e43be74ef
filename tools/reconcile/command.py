"""The command line: reads both sides, compares them, and ends with a status that says whether they agree."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.launcher.commands import Run, open_run
from tools.launcher.errors import LauncherError
from tools.reconcile.access_log import read_containers, read_lines
from tools.reconcile.errors import ReconcileError
from tools.reconcile.judgement import judge
from tools.reconcile.options import Options, read_options
from tools.reconcile.report import Report, as_json, lines
from tools.reconcile.scrapes import read_scrapes

DIFFERENT, NO_ANSWER, INTERRUPTED = 1, 2, 130
_ROOT = Path(__file__).resolve().parents[2]
_PROMETHEUS, _PROMETHEUS_PORT = "prometheus", 9090
# A line is written a moment after its request was counted: the newest scrapes wait for theirs.
_SETTLED_SECONDS = 1.0
# The engine stamps a line when it arrives, which on a busy machine is later than the time in it.
_LATE_SECONDS = 10.0
# Scrapes before the range tell what each replica had counted when it began.
_EARLIER_SECONDS = 60.0


def main(arguments: Sequence[str] | None = None, root: Path = _ROOT, clock: Callable[[], float] = time.time) -> int:
    """Compare, and tell of it.

    Args:
        arguments: the command line, without the program's name.
        root: the folder of compose.yaml.
        clock: the time now, in seconds since 1970.

    Returns:
        the exit status.
    """
    try:
        options = read_options(arguments, clock())
        run = open_run(root, os.environ)
        report = reconcile(run, options, clock())
    except (ReconcileError, LauncherError) as error:
        print(f"reconcile: {error}", file=sys.stderr)
        return NO_ANSWER
    except KeyboardInterrupt:
        print("reconcile: interrupted", file=sys.stderr)
        return INTERRUPTED
    _say(json.dumps(as_json(report), ensure_ascii=False, indent=1) if options.json else "\n".join(lines(report)))
    return 0 if report.comparison.equal else DIFFERENT


def reconcile(run: Run, options: Options, now: float) -> Report:
    """Compare the log of gte-service with its counters in Prometheus.

    Args:
        run: the checkout, and its settings.
        options: what to compare.
        now: the time in seconds since 1970.

    Raises:
        ReconcileError: one of both can't be read, or the range holds too little.
        LauncherError: the settings can't be used.
    """
    address = run.compose.read().services[_PROMETHEUS].address(_PROMETHEUS_PORT)
    # Prometheus before the log: a request that is in a scrape has its line by then.
    scrapes = read_scrapes(address, options.since - _EARLIER_SECONDS, min(options.until, now - _SETTLED_SECONDS))
    logged = read_lines(run.compose, options.since - _LATE_SECONDS, options.until + _LATE_SECONDS)
    return judge(options, scrapes, logged, read_containers(run.compose))


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is left must not be tried once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
