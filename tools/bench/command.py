"""The command line: makes one run and its report, and ends with a status that says how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tools import cli
from tools.bench.options import read_options
from tools.bench.report import Report
from tools.bench.run import run
from tools.cli import ToolError, say


def main(arguments: Sequence[str], measure: Callable[[Report], None] = run) -> int:
    """Make a run; returns the exit status."""
    return cli.run("bench", lambda: _compare(Report(read_options(arguments)), measure))


def _compare(report: Report, measure: Callable[[Report], None]) -> int:
    results = report.results
    try:
        measure(report)
    except BaseException as error:
        # Ctrl-C and a container engine that dies must not cost what was measured.
        if results.has_figures:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            results.warnings.append(f"Incomplete: the run ended early ({reason}).")
            report.finish(complete=False)
        raise
    if not results.has_figures:
        raise ToolError("no candidate gave a figure; the lines above say why.")
    report.finish(complete=True)
    if results.failures:
        say(f"failed: {', '.join(dict.fromkeys(failure.name for failure in results.failures))}")
    return cli.FAILED if results.failures else cli.OK
