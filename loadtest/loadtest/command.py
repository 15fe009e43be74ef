"""The command line: makes one run, prints its report, and ends with a status that says how it went."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from loadtest.options import Options, read_options
from loadtest.report import as_json, lines
from loadtest.run import run
from loadtest.verdict import Verdict
from loadtest.wrk import ClientFigures, Load, run_wrk
from tools import cli


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    send: Callable[[Load], ClientFigures] = run_wrk,
) -> int:
    """Make a load test; returns the exit status."""
    return cli.run("loadtest", lambda: _load(read_options(arguments, environment), send))


def _load(options: Options, send: Callable[[Load], ClientFigures]) -> int:
    figures = run(options, send)
    verdict = Verdict(figures, options)
    # JSON on standard output has it for itself.
    out = sys.stderr if options.json_file == "-" else sys.stdout
    for line in lines(figures, verdict, options):
        print(line, file=out)
    if options.json_file:
        cli.write_json("--json", options.json_file, as_json(figures, verdict, options))
    return cli.FAILED if verdict.problems else cli.OK
