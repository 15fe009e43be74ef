"""Tells of a comparison: a table and one sentence for people, the same for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.reconcile.comparison import Comparison, Row
from tools.reconcile.moments import say_moment
from tools.reconcile.options import Options
from tools.reconcile.scrapes import ERRORS, LATENCY, REQUESTS

# Title, and the name of the column beside the task.
_PARTS = {
    REQUESTS: ("requests (gte_task_requests_total)", "status"),
    ERRORS: ("errors by reason (gte_task_errors_total)", "reason"),
    LATENCY: ("latencies (gte_task_latency_seconds_count)", ""),
}


@dataclass(frozen=True)
class Report:
    """A comparison and what surrounds it.

    Attributes:
        comparison: the figures.
        options: what was asked for.
        log_begin: from when on the log is there, None if it reaches back to the first scrape of the range.
        vanished: instances that Prometheus counted in the range and that have no container any more.
    """

    comparison: Comparison
    options: Options
    log_begin: float | None
    vanished: Sequence[str]

    @property
    def verdict(self) -> str:
        """What it comes to, in one sentence."""
        found = self.comparison
        if not found.equal:
            return self._said_different()
        lines, unscraped = found.total("lines"), found.total("unscraped")
        lost = f"{_number(unscraped)} of {lines}, counted after the last scrape of a process that ended"
        if not found.exact:
            return (
                "Equal as far as can be told, but not exactly: each counter lies within what the lines at the edges "
                f"of the range allow{f', leaving out {lost}' if unscraped else ''}."
            )
        if unscraped:
            return f"Equal but for {lost}: Prometheus can't have seen them."
        return (
            f"Equal: {_number(lines)} in the log and {found.total('counter')} in Prometheus, alike by task, status and "
            "reason."
        )

    def _said_different(self) -> str:
        differences = [row.difference for row in self.comparison.of(REQUESTS)]
        missing, more = -sum(min(0, one) for one in differences), sum(max(0, one) for one in differences)
        if missing and more:
            return f"Different: Prometheus lacks {_number(missing)} of the log, and has {more} that the log lacks."
        if missing:
            return f"Different: Prometheus lacks {_number(missing)} that the log has."
        if more:
            return f"Different: the log lacks {_number(more)} that Prometheus has."
        return "Different: the requests agree, but not the errors by reason or the number of latencies."

    def notes(self) -> Iterator[str]:
        """What has to be known to read the figures, one sentence or two each."""
        found = self.comparison
        if self.log_begin is not None:
            yield (
                f"The log begins at {say_moment(self.log_begin)}: what is older was rotated away, or went with its "
                "container. Nothing before that is compared."
            )
        if at_edges := found.total("at_edges"):
            yield (
                f"Traffic doesn't pause at an edge: during the scrapes there {_number(at_edges)} came, which may lie "
                "on either side."
            )
        for end in found.ends if found.total("unscraped") or not found.equal else ():
            yield (
                f"A process ended between its scrape of {say_moment(end.scraped)} and {say_moment(end.until)}, and "
                "nothing has gone on with its counters: what it counted after the scrape is not in Prometheus."
            )
        if unplaced := found.total("unplaced"):
            yield (
                "The counters of a replica were seen for the first time, or had lost some of their counts: "
                f"{_number(unplaced)} of them may be older than the range."
            )
        if self.vanished and not found.equal:
            yield (
                f"Prometheus counted {', '.join(self.vanished)}, which is the address of no container any more: if the "
                "container was removed, its log went with it."
            )


def lines(report: Report) -> Iterator[str]:
    """The report for people, line by line."""
    found = report.comparison
    yield f"from {say_moment(found.begin.at)} to {say_moment(found.end.at)}, {found.end.at - found.begin.at:.0f} s"
    yield f"asked for: {say_moment(report.options.since)} to {say_moment(report.options.until)}"
    # These columns are there only when they have something to say.
    extra = [name for name in ("at_edges", "unscraped") if any(getattr(row, name) for row in found.rows)]
    for metric, (title, label) in _PARTS.items():
        yield ""
        yield title
        yield _row("task", label, "log lines", "counter", *(name.replace("_", " ") for name in extra), "difference")
        for row in found.of(metric):
            yield _row(
                row.key.task, row.key.label, f"{row.lines}", f"{row.counter}",
                *(f"{getattr(row, name)}" for name in extra), f"{row.difference:+d}" if row.difference else "0",
            )  # fmt: skip
    yield ""
    yield from report.notes()
    yield report.verdict


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs; moments in RFC 3339."""
    found = report.comparison
    return {
        "asked": {"since": say_moment(report.options.since), "until": say_moment(report.options.until)},
        "from": say_moment(found.begin.at),
        "to": say_moment(found.end.at),
        "equal": found.equal,
        "exact": found.exact,
        "verdict": report.verdict,
        "notes": list(report.notes()),
        **{metric: [_row_json(row, label) for row in found.of(metric)] for metric, (_, label) in _PARTS.items()},
    }


def _row_json(row: Row, label: str) -> dict[str, Any]:
    return {
        "task_type": row.key.task,
        **({label: row.key.label} if label else {}),
        "lines": row.lines,
        "at_edges": row.at_edges,
        "counter": row.counter,
        "unscraped": row.unscraped,
        "difference": row.difference,
    }


def _row(task: str, label: str, *figures: str) -> str:
    return f"  {task:<16}{label:<18}" + "".join(f"{figure:>12}" for figure in figures)


def _number(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"
