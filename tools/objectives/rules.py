"""The rules for the objectives, as the text of a rule file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.objectives.objectives import Objectives, Window, seconds_of

_FAILURES = "job_task_type:gte_task_failures"
_SUCCESSES = "job_task_type:gte_task_successes"
_SLOW = "job_task_type:gte_task_slow"
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_UNITS_ZH = {"m": "分钟", "h": "小时", "d": "天"}
# After so long, this warning is worse news if it goes on.
_WARNING, _PATIENCE = "GTE_TaskLatencyHigh", "30m"
_DASHBOARD = "/d/gte-overview?var-task_type={{ $labels.task_type }}"
_HEAD = """\
# Written by `python3 -m tools.objectives` from tools/objectives/objectives.toml: change it there.
#
# Requests are counted once a minute and added up over the windows: weighted by requests, a quiet night counts as little
# as it was asked, and a counter that begins anew is no loss. While Prometheus itself is away nothing is counted.
#
# One fault is one message: a budget stays silent about requests of which GTE_ErrorRateHigh or GTE_TaskLatencyHigh has
# told, and tells of what they don't see, failures in short bursts or in thin traffic. So it waits for them (2 min), and
# for the longest of its short windows after them. Where it has told first it goes on. GTE_TaskLatencyHigh is a warning
# only: after 30 min of it a critical budget speaks as well.
groups:
  - name: gte-objectives
    interval: 1m
    rules:
      # 65 s hold 13 scrapes, so that each minute begins with the last scrape of the one before: no request falls
      # between two minutes.
"""


@dataclass(frozen=True)
class _Budget:
    """An error budget: what uses it up, and what its alert says.

    Attributes:
        name: in the name of the recorded series.
        alert: its name.
        allowed: share of bad requests that the objective leaves.
        bad: recorded series of bad requests.
        told_by: alerts that tell of the same requests within minutes.
        share: PromQL for the share of bad requests in a window; the second argument restricts the divisor.
        texts: summary, summary_zh, objective, objective_zh.
    """

    name: str
    alert: str
    allowed: float
    bad: str
    told_by: tuple[str, ...]
    share: Callable[[str, str], str]
    texts: tuple[str, str, str, str]


def rules(objectives: Objectives) -> str:
    """The text of the rule file."""
    period = objectives.period
    budgets = _budgets(objectives)
    windows = {duration for window in objectives.windows for duration in (window.short, window.long)} | {period}
    sums = [
        _record(f"{series}:increase{window}", f"sum_over_time({series}:increase1m[{window}])")
        for window in sorted(windows, key=seconds_of)
        for series in (_FAILURES, _SUCCESSES, _SLOW)
    ]
    left = [
        _record(
            f"job_task_type:gte_{budget.name}_budget_left:ratio{period}",
            f"1 - {_at_most_1(budget, budget.share(period, ' > 0'))[0]} / {_number(budget.allowed)}",
        )
        for budget in budgets
    ]
    since = _record(
        f"job_task_type:gte_budget_start_time_seconds:last{period}",
        f"min_over_time(timestamp({_SUCCESSES}:increase1m)[{period}:15m])",
        "  or",
        f"timestamp({_SUCCESSES}:increase1m)",
    )
    return "".join(
        (
            _HEAD,
            *_minute(objectives.seconds),
            *sums,
            f"\n      # The rest of the budget of {period}: 1 is all of it; below 0 the objective is missed.\n",
            *left,
            f"      # Since when the budgets count: for less than {period} while there are no older figures.\n",
            since,
            *(line for budget in budgets for line in _alerts(budget, objectives)),
        )
    )


def _budgets(objectives: Objectives) -> tuple[_Budget, _Budget]:
    period, period_zh = _spelled(objectives.period, _UNITS), _spelled(objectives.period, _UNITS_ZH)
    answered, in_time = (f"{share * 100:g}" for share in (objectives.availability, objectives.latency))
    seconds = f"{objectives.seconds:g}"
    return (
        _Budget(
            "availability",
            "GTE_AvailabilityBudget",
            1 - objectives.availability,
            _FAILURES,
            ("GTE_ErrorRateHigh",),
            _failure_share,
            (
                "fails too often: {{ $value | humanizePercentage }} of its requests",
                "失败过多：{{ $value | humanizePercentage }} 的请求失败",
                f"that {answered} % of its requests are answered over {period}",
                f"{period_zh}内 {answered}% 的请求得到应答",
            ),
        ),
        _Budget(
            "latency",
            "GTE_LatencyBudget",
            1 - objectives.latency,
            _SLOW,
            ("GTE_ErrorRateHigh", _WARNING),
            _slow_share,
            (
                "is slow too often: {{ $value | humanizePercentage }} of its answers",
                "慢请求过多：{{ $value | humanizePercentage }} 的应答过慢",
                f"that {in_time} % of its answers take at most {seconds} s over {period}",
                f"{period_zh}内 {in_time}% 的应答耗时不超过 {seconds} 秒",
            ),
        ),
    )


def _minute(seconds: float) -> Iterator[str]:
    bound = f'le=~"{seconds:g}(\\\\.0)?"' if seconds.is_integer() else f'le="{seconds:g}"'
    yield _record(f"{_FAILURES}:increase1m", _sum('gte_task_requests_total{status="error"}'))
    yield _record(f"{_SUCCESSES}:increase1m", _sum('gte_task_requests_total{status="success"}'))
    yield '      # Slower than the objective allows. "2" or "2.0" is how an integer bound may be stored.\n'
    yield _record(
        f"{_SLOW}:increase1m",
        _sum("gte_task_latency_seconds_count"),
        "  -",
        _sum(f"gte_task_latency_seconds_bucket{{{bound}}}"),
    )


def _sum(counter: str) -> str:
    return f"sum by (job, task_type) (increase({counter}[65s]))"


def _failure_share(window: str, condition: str) -> str:
    failures, successes = f"{_FAILURES}:increase{window}", f"{_SUCCESSES}:increase{window}"
    requests = f"({failures} + {successes})"
    return f"{failures} / {f'({requests}{condition})' if condition else requests}"


def _slow_share(window: str, condition: str) -> str:
    successes = f"{_SUCCESSES}:increase{window}"
    return f"{_SLOW}:increase{window} / {f'({successes}{condition})' if condition else successes}"


def _at_most_1(budget: _Budget, *lines: str) -> Sequence[str]:
    """A share as people read it: requests that failed after a long time are slow too, and there may be many."""
    before, after = ("clamp_max(", ", 1)") if budget.bad == _SLOW else ("(", ")")
    if len(lines) > 1:
        return (before, *(f"  {line}" for line in lines), after)
    return (f"{before}{lines[0]}{after}",) if budget.bad == _SLOW else lines


def _record(name: str, *lines: str) -> str:
    return f"      - record: {name}\n        expr:{_expression(lines)}"


def _alerts(budget: _Budget, objectives: Objectives) -> Iterator[str]:
    summary, summary_zh, objective, objective_zh = budget.texts
    left = (
        f'{{{{- with printf "job_task_type:gte_{budget.name}_budget_left:ratio{objectives.period}'
        '{job=%q,task_type=%q}" $labels.job $labels.task_type | query }}'
    )
    for severity in ("critical", "warning"):
        windows = [window for window in objectives.windows if window.severity == severity]
        lines: list[str] = []
        for window in windows:
            threshold = _number(window.factor * budget.allowed)
            lines += [
                *(["  or"] if lines else []),
                "(",
                f"  {budget.share(window.long, '')} > {threshold}",
                "    and",
                f"  {budget.share(window.short, '')} > {threshold}",
                "    and",
                f"  {budget.bad}:increase{window.long} >= {window.floor}",
                ")",
            ]
        if lines:
            yield f"""
      - alert: {budget.alert}
        expr:{_expression([*_at_most_1(budget, *lines), *_told(budget, windows)])}\
        for: 2m
        keep_firing_for: 5m
        labels:
          severity: {severity}
        annotations:
          summary: "{{{{ $labels.task_type }}}} {summary}"
          summary_zh: "{{{{ $labels.task_type }}}} {summary_zh}"
          description: >-
            At this rate {{{{ $labels.job }}}} misses the objective for {{{{ $labels.task_type }}}},
            {objective}.
            {left}
            Left of the budget: {{{{ . | first | value | humanizePercentage }}}}.{{{{ end }}}}
          description_zh: >-
            照此速度，{{{{ $labels.job }}}} 的 {{{{ $labels.task_type }}}} 将无法达到目标：{objective_zh}。
            {left}剩余错误预算：{{{{ . | first | value | humanizePercentage }}}}。{{{{ end }}}}
          runbook_url: "{{{{ $externalLabels.inbox_url }}}}/runbooks/{budget.alert}"
          dashboard_url: "{{{{ $externalLabels.grafana_url }}}}{_DASHBOARD}"
"""


def _told(budget: _Budget, windows: Sequence[Window]) -> Iterator[str]:
    """Lines that keep the alert silent where another one has told of the same requests."""
    on = "  unless on (job, task_type)"
    severity = windows[0].severity
    window = max((window.short for window in windows), key=seconds_of)
    yield from (on, "(", f"  max_over_time({_firing(*budget.told_by)}[{window}])")
    if _WARNING in budget.told_by and severity == "critical":
        goes_on = f"{_firing(_WARNING)} and on (job, task_type) {_firing(_WARNING)} offset {_PATIENCE}"
        yield from (f"  {on}", f"  ({goes_on})")
    yield from (f"  {on}", f'  ALERTS{{alertname="{budget.alert}",alertstate="firing",severity="{severity}"}}', ")")


def _firing(*alerts: str) -> str:
    return f'ALERTS{{alertname{"=~" if alerts[1:] else "="}"{"|".join(alerts)}",alertstate="firing"}}'


def _expression(lines: Sequence[str]) -> str:
    return f" {lines[0]}\n" if len(lines) == 1 else " |\n" + "".join(f"          {line}\n" for line in lines)


def _spelled(duration: str, units: Mapping[str, str]) -> str:
    return f"{duration[:-1]} {units[duration[-1]]}"


def _number(value: float) -> str:
    return f"{value:.6g}"
