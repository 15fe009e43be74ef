"""The command: python3 -m tools.baseline --help."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence

from tools import ROOT, baseline, cli, prometheus
from tools.baseline.suggestion import Suggestion, read_suggestions
from tools.launcher.commands import open_run

_EPILOG = """\
GTE_SlowerThanUsual uses the same limits and follows them by itself; paste the rule to pin them as they are now.
""" + cli.EXIT_STATUS.format(good="some task has a limit", bad="no task has one yet")


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask Prometheus and print; returns the exit status."""
    parser = cli.parser("python3 -m tools.baseline", str(baseline.__doc__), _EPILOG)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table and the rule")
    given = parser.parse_args(arguments)
    found = read_suggestions(prometheus.address(open_run(ROOT, os.environ).compose))
    if not found:
        raise cli.ToolError(
            "Prometheus has no gte_task_latency_seconds of the last day. Is a service scraped (Status > Target health "
            "in Prometheus)? After a start, wait a minute."
        )
    if given.json:
        cli.write_json("--json", "-", [{**dataclasses.asdict(one), "why": one.why()} for one in found])
    else:
        print("\n".join([*table(found), *rules(found)]))
    return cli.OK if any(one.limit is not None for one in found) else cli.FAILED


def table(found: Sequence[Suggestion]) -> Iterator[str]:
    """The histories for people, line by line."""
    yield "P95 of each task, figures of the last 24 hours"
    yield ""
    wide = max(len("job"), *(len(one.job) for one in found)) + 2
    long = max(len("task"), *(len(one.task) for one in found)) + 2
    yield f"  {'job':<{wide}}{'task':<{long}}{'requests':>9}{'figures':>9}{'median':>10}{'now':>10}{'limit':>10}  why"
    for one in found:
        seconds = "".join(f"{_seconds(value):>10}" for value in (one.median, one.now, one.limit))
        yield f"  {one.job:<{wide}}{one.task:<{long}}{one.requests:>9.0f}{one.figures:>9}{seconds}  {one.why()}"


def rules(found: Sequence[Suggestion]) -> Iterator[str]:
    """A file of rules with the limits as they are now; nothing where no task has one."""
    lines = [line for one in found for line in one.rule()]
    if lines:
        yield ""
        yield "# To pin these limits: put this into prometheus/rules/own-limits.yml, then"
        yield "# make reload"
        yield from ("groups:", "  - name: own-limits", "    interval: 1m", "    rules:", *lines)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f} s"


if __name__ == "__main__":
    sys.exit(cli.run("baseline", main))
