"""The command line: which checks to make, where to tell of them, and how it ends."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import smoke
from smoke.check import Check, Stack
from smoke.checks import CHECKS
from smoke.errors import UsageError
from smoke.report import as_json, counts, last_line, line
from smoke.runner import Outcome, Result, run_checks
from smoke.settings import SERVICES, read_addresses, read_left_out

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

EPILOG = """\
Settings (environment): SMOKE_LEFT_OUT names services that are not part of the run; their checks are counted
apart. SMOKE_GTE_URL, SMOKE_GTE_METRICS_URL, SMOKE_PROMETHEUS_URL, SMOKE_ALERTMANAGER_URL,
SMOKE_ALERT_INBOX_URL, SMOKE_NODE_EXPORTER_URL and SMOKE_GRAFANA_URL are the addresses; by default the names
and ports on the Compose network. SMOKE_API_KEYS_FILE is a file of API keys, of which the first is sent.
Exit status: 0 all passed, 1 a check failed, 2 wrong usage or nothing checked."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smoke",
        description=smoke.__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=SERVICES,
        metavar="SERVICE",
        help=f"make only the checks of this service (may be given several times): {', '.join(SERVICES)}",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON too; - is standard output")
    parser.add_argument("--list", action="store_true", help="list the checks and end")
    return parser


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Runs the smoke test; returns the exit status."""
    options = _parser().parse_args(arguments)
    chosen = [check for check in CHECKS if not options.only or check.service in options.only]
    if options.list:
        for check in chosen:
            print(f"{check.service} {check.says}")
        return 0
    try:
        stack = Stack(read_addresses(environment), read_left_out(environment), secrets.token_hex(4), time.time())
        # JSON on standard output has it for itself.
        results = _run(chosen, stack, sys.stderr if options.json == "-" else sys.stdout)
        if options.json:
            _write_json(options.json, results, stack.run)
    except UsageError as error:
        print(f"smoke: {error}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("smoke: interrupted; the checks that follow were not made", file=sys.stderr)
        return INTERRUPTED
    return FAILED if counts(results)[Outcome.FAILED] else 0


def _run(chosen: Sequence[Check], stack: Stack, lines: TextIO) -> list[Result]:
    results: list[Result] = []
    started = time.monotonic()
    for result in run_checks(chosen, stack):
        results.append(result)
        print(line(result), file=lines, flush=True)
    print(f"run {stack.run}, {time.monotonic() - started:.1f} s", file=lines)
    print(last_line(results), file=lines, flush=True)
    if all(result.outcome is Outcome.LEFT_OUT for result in results):
        raise UsageError("nothing was checked: all that was asked for is left out")
    return results


def _write_json(file: str, results: Sequence[Result], run: str) -> None:
    text = json.dumps(as_json(results, run), ensure_ascii=False, indent=1) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json can't be written: {error}; name a file that is writable, or -") from None
