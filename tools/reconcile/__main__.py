"""The command: python3 -m tools.reconcile --help."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tools import ROOT, cli, prometheus, reconcile
from tools.launcher.commands import open_run
from tools.reconcile.comparison import Comparison, Row, compare
from tools.reconcile.sources import (
    ERRORS,
    LATENCIES,
    REQUESTS,
    read_lines,
    read_log_begin,
    read_scrapes,
    rfc_3339,
    seconds_of,
)

_DURATION = re.compile(r"(\d+)([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# A line is written a moment after its request was counted: the newest scrapes wait for theirs.
_SETTLED_SECONDS = 1.0
# The engine stamps a line when it arrives, which on a busy machine is later than the time in it.
_LATE_SECONDS = 10.0
# Scrapes from before the range give the counters of each replica when it began.
_EARLIER_SECONDS = 60.0
# The title of each part of the report, and the label beside the task.
_PARTS = {
    REQUESTS: ("requests (gte_task_requests_total)", "status"),
    ERRORS: ("errors by reason (gte_task_errors_total)", "reason"),
    LATENCIES: ("latencies (gte_task_latency_seconds_count)", ""),
}
_EPILOG = """\
A MOMENT is an RFC 3339 time (2026-11-22T10:00:00Z) or a time before now (90s, 10m, 2h, 1d). The compared range begins
and ends with a scrape, so it is a little shorter than the one asked for.
""" + cli.EXIT_STATUS.format(good="log and counters agree", bad="they differ")


class Options(NamedTuple):
    """The range to compare, in seconds since 1970, and whether to print JSON instead of a table."""

    since: float
    until: float
    json: bool


class Report(NamedTuple):
    """A comparison, the options it was made for, and where the log begins (seconds since 1970)."""

    comparison: Comparison
    options: Options
    log_begin: float

    def verdict(self) -> str:
        """The outcome in one sentence."""
        found = self.comparison
        rows = [row for row in found.rows if row.key.metric == REQUESTS]
        if not found.equal:
            missing = -sum(row.difference for row in rows if row.difference < 0)
            more = sum(row.difference for row in rows if row.difference > 0)
            if not missing and not more:
                return "Different: the requests agree, but not the errors by reason or the number of latencies."
            return f"Different: requests missing in Prometheus {missing}, missing in the log {more}."
        if found.exact:
            return (
                f"Equal: {found.total('lines')} requests in the log and {found.total('counter')} in Prometheus, "
                "the same by task, status and reason."
            )
        return "Equal within the bound: no difference is larger than the number of requests at the edges."

    def notes(self) -> Iterator[str]:
        """Sentences needed to read the figures."""
        found = self.comparison
        if self.log_begin > self.options.since:
            yield (
                f"The log begins at {rfc_3339(self.log_begin)}: older lines were rotated away or went with their "
                "container. Nothing before that is compared."
            )
        if edges := found.total("edges"):
            yield f"{edges} requests lie within one scrape interval of an edge: they may count on either side."
        yield from found.restarts


def read_options(arguments: Sequence[str] | None, now: float) -> Options:
    """Read the command line; `now` is in seconds since 1970.

    Raises:
        UsageError: a moment can't be read, or the range is empty.
    """
    parser = cli.parser("python3 -m tools.reconcile", str(reconcile.__doc__), _EPILOG)
    parser.add_argument("--since", default="10m", metavar="MOMENT", help="begin of the range; default: 10m")
    parser.add_argument("--until", default="0s", metavar="MOMENT", help="end of the range; default: now")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    given = parser.parse_args(arguments)
    since, until = _moment("--since", given.since, now), min(_moment("--until", given.until, now), now)
    if since >= until:
        raise cli.UsageError(
            f"The range from {rfc_3339(since)} to {rfc_3339(until)} is empty: --since must be before --until, and "
            f"before now ({rfc_3339(now)})."
        )
    return Options(since, until, given.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print the report; returns the exit status."""
    options = read_options(arguments, time.time())
    compose = open_run(ROOT, os.environ).compose
    address = prometheus.address(compose)
    # Prometheus before the log: a request that is in a scrape has its line by then. The log's begin last: lines that
    # are rotated away meanwhile must not count as missing.
    until = min(options.until, time.time() - _SETTLED_SECONDS)
    scrapes = read_scrapes(address, options.since - _EARLIER_SECONDS, until)
    lines = read_lines(compose, options.since - _EARLIER_SECONDS, options.until + _LATE_SECONDS)
    log_begin = read_log_begin(compose)
    report = Report(compare(scrapes, lines, options.since, log_begin), options, log_begin)
    if options.json:
        cli.write_json("--json", "-", as_json(report))
    else:
        print("\n".join(table(report)))
    return cli.OK if report.comparison.equal else cli.FAILED


def table(report: Report) -> Iterator[str]:
    """The report for people, line by line."""
    found = report.comparison
    yield f"from {rfc_3339(found.begin)} to {rfc_3339(found.end)}, {found.end - found.begin:.0f} s"
    for metric, (title, label) in _PARTS.items():
        yield ""
        yield title
        yield _table_row("task", label, "log", "counter", "edges", "difference")
        for row in found.rows:
            if row.key.metric == metric:
                difference = f"{row.difference:+d}" if row.difference else "0"
                yield _table_row(*row.key[1:], str(row.lines), str(row.counter), str(row.edges), difference)
    yield ""
    yield from report.notes()
    yield report.verdict()


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs; moments in RFC 3339."""
    found = report.comparison
    return {
        "asked": {"since": rfc_3339(report.options.since), "until": rfc_3339(report.options.until)},
        "from": rfc_3339(found.begin),
        "to": rfc_3339(found.end),
        "equal": found.equal,
        "exact": found.exact,
        "verdict": report.verdict(),
        "notes": list(report.notes()),
        **{
            metric: [_json_row(row, label) for row in found.rows if row.key.metric == metric]
            for metric, (_, label) in _PARTS.items()
        },
    }


def _json_row(row: Row, label: str) -> dict[str, Any]:
    return {
        "task_type": row.key.task,
        **({label: row.key.label} if label else {}),
        "lines": row.lines,
        "counter": row.counter,
        "edges": row.edges,
        "difference": row.difference,
    }


def _table_row(task: str, label: str, *figures: str) -> str:
    return f"  {task:<16}{label:<18}" + "".join(f"{figure:>12}" for figure in figures)


def _moment(option: str, text: str, now: float) -> float:
    if duration := _DURATION.fullmatch(text):
        return now - int(duration[1]) * _UNIT_SECONDS[duration[2]]
    try:
        return seconds_of(text)
    except ValueError:
        raise cli.UsageError(
            f"{option} {text!r} is no moment. Write an RFC 3339 time with its offset (2026-11-22T10:00:00Z) or a time "
            "before now (90s, 10m, 2h, 1d)."
        ) from None


if __name__ == "__main__":
    sys.exit(cli.run("reconcile", main))
