"""What a task's history suggests as the limit of its P95, and why, or why not yet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools import prometheus

_P95 = "job_task_type:gte_task_latency_seconds:p95_rate5m"
# As in prometheus/rules/gte-baseline.yml.
NEEDED_FIGURES = 360
_LEAST_FACTOR, _MOST_FACTOR = 1.5, 1.6
_FLOOR_SECONDS = 0.1
_QUERIES = {
    # Minutes of the last day in which the task was scraped, and those in which it had enough requests for a P95.
    "minutes": "count_over_time((sum by (job, task_type) (gte_task_latency_seconds_count))[1d:1m])",
    "figures": f"count_over_time({_P95}[1d])",
    "requests": 'sum by (job, task_type) (increase(gte_task_requests_total{status!="invalid"}[1d]))',
    "median": "job_task_type:gte_task_latency_seconds:p95_median1d",
    "limit": "job_task_type:gte_task_latency_seconds:p95_limit",
    "now": f"avg_over_time({_P95}[10m])",
}


@dataclass(frozen=True)
class Suggestion:
    """The history of one task over 24 hours.

    Attributes:
        job: whose task it is.
        task: its name.
        minutes: in which it was scraped.
        figures: minutes in which it had a P95, because at least 20 requests had come in five minutes.
        requests: that could be answered.
        median: of the P95, in seconds; None without any figure.
        limit: of the P95 in seconds; None where the history says too little.
        now: mean P95 of the last ten minutes, in seconds; None without any figure.
    """

    job: str
    task: str
    minutes: int
    figures: int
    requests: float
    median: float | None
    limit: float | None
    now: float | None

    def why(self) -> str:
        """Where the limit comes from, or why there is none yet."""
        if self.limit is not None and self.median:
            return self._reason(self.limit, self.limit / self.median)
        if self.requests < 0.5:
            return "no limit: nobody has asked for it"
        if self.minutes < NEEDED_FIGURES:
            return (
                f"not yet: too young, {self.minutes / 60:.1f} h of history and 6 h are needed "
                f"({self.figures} of {NEEDED_FIGURES} figures)"
            )
        return (
            f"not yet: too thin, 20 requests in five minutes came in {self.figures} of {self.minutes} min, and "
            f"{NEEDED_FIGURES} such minutes a day are needed"
        )

    def rule(self) -> Iterator[str]:
        """The lines of an alert with this limit, for a file in prometheus/rules/; none without a limit."""
        if self.limit is None:
            return
        selector = f'job="{_quoted(self.job)}",task_type="{_quoted(self.task)}"'
        yield f"      # {self.why()}"
        yield "      - alert: GTE_TaskAboveItsLimit"
        yield f"        expr: avg_over_time({_P95}{{{selector}}}[10m]) > {_rounded_up(self.limit):g}"
        yield "        for: 5m"
        yield "        labels:"
        yield "          severity: warning"
        yield "        annotations:"
        yield "          summary: '{{ $labels.task_type }} is slow: P95 {{ $value | humanizeDuration }}'"

    @staticmethod
    def _reason(limit: float, factor: float) -> str:
        if limit <= _FLOOR_SECONDS:
            return "0.1 s: nobody notices less"
        if factor < _LEAST_FACTOR + 0.001:
            return f"{_LEAST_FACTOR} x median of 24 h"
        if factor > _MOST_FACTOR - 0.001:
            return f"{_MOST_FACTOR} x median of 24 h, because the P95 swings"
        return f"median of 24 h + 6 x median deviation ({factor:.2f} x median)"


def read_suggestions(address: str) -> list[Suggestion]:
    """The histories of all tasks, by job and task.

    Args:
        address: Prometheus' host:port.

    Raises:
        ToolError: Prometheus doesn't answer, or refuses a query.
    """
    answers = {name: _values(prometheus.ask(address, {"query": query})) for name, query in _QUERIES.items()}
    return [
        Suggestion(
            job,
            task,
            minutes=round(minutes),
            figures=round(answers["figures"].get((job, task), 0)),
            requests=answers["requests"].get((job, task), 0),
            median=answers["median"].get((job, task)),
            limit=answers["limit"].get((job, task)),
            now=answers["now"].get((job, task)),
        )
        for (job, task), minutes in sorted(answers["minutes"].items())
    ]


def _values(series: Sequence[Any]) -> Mapping[tuple[str, str], float]:
    return {
        (one["metric"].get("job", ""), one["metric"].get("task_type", "")): float(one["value"][1]) for one in series
    }


def _rounded_up(seconds: float) -> float:
    """To two digits, never below."""
    unit: float = 10.0 ** (math.floor(math.log10(seconds)) - 1)
    return math.ceil(round(seconds / unit, 6)) * unit


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
