"""The dashboard "GTE capacity and releases": how much more load it takes, and what a new model changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grafana.boards.links import CELL, to_board
from grafana.boards.model import Json, Panel, Query, Row, dashboard
from grafana.boards.overview import FULL, SLOW, SLOW_SECONDS, resource_names
from grafana.boards.panels import (
    BLUE,
    MINUTE,
    RED,
    Column,
    bars,
    lines,
    number,
    states,
    steps,
    table,
    word,
)
from grafana.boards.texts import Texts
from grafana.boards.variables import JOB, TASK, data_source, job, revision, task_type

UID = "gte-capacity"

BUSY_SHARE = 0.8
"""Up to here the rooms are counted: from there waiting times grow quickly."""
CAPACITY_LOW = 0.85
"""From here GTE_CapacityLow fires after half an hour."""
BANDS = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01))
"""Shares of the capacity in use, for the curve of latency against load."""

_USE = f"job:gte_capacity_use:ratio_rate5m{{{JOB}}}"
_DONE = f"job:gte_task_successes:rate5m{{{JOB}}}"
_MINUTES = "job_task_type_le:gte_task_latency_seconds_bucket:increase1m"
_BY_REVISION = "job_revision_task_type_le:gte_task_latency_seconds_bucket:increase1m"
_COUNTS = "job_revision_task_type_status:gte_task_requests:increase1m"
_ENOUGH = 100
"""Requests of each of two revisions, from which they are compared."""
_WORSE = steps((None, BLUE), (1.2, RED))


def capacity(texts: Texts) -> Json:
    """The dashboard's model in a language."""
    rows = [
        Row(None, _now(texts)),
        Row(texts("row cost"), _cost(texts)),
        Row(texts("row curve"), _curve(texts)),
        Row(texts("row releases"), _releases(texts)),
    ]
    found = texts("variables")
    variables = [
        data_source(texts),
        job(texts, several=False),
        task_type(texts),
        # Of those that answer, the one that appeared last.
        revision(
            "after",
            found["after"],
            f"topk(1, min by (revision) (min_over_time(timestamp(gte_model_info{{{JOB}}})[7d:5m])) "
            f"and max by (revision) (gte_model_info{{{JOB}}}))",
        ),
        # The last one seen that does not answer now.
        revision(
            "before",
            found["before"],
            f"topk(1, max by (revision) (max_over_time(timestamp(gte_model_info{{{JOB}}})[7d:5m])) "
            f"unless max by (revision) (gte_model_info{{{JOB}}}))",
        ),
    ]
    return dashboard(texts, UID, rows, variables)


def _answered(buckets: str, refused: str, label: str) -> str:
    """The buckets without the refused requests, which are quick: their number is taken off each, as the rules do."""
    return f"clamp_min({buckets} - on ({label}) group_left () {refused}, 0)"


def _now(texts: Texts) -> Sequence[Panel]:
    room, qps, full = texts("room"), texts("qps"), texts("full")
    clients, flow = texts("clients"), texts("flow")
    asked = f"job_task_type_status:gte_task_requests:rate1m{{{JOB}}}"
    busy = f"job:gte_inference_busy_per_slots:ratio_rate5m{{{JOB}}}"
    # Refused requests take no time and would make the mean small.
    counted = f'sum by (job) (increase(gte_task_requests_total{{{JOB},status%s"invalid"}}[5m]))'
    mean = f"sum by (job) (increase(gte_task_latency_seconds_sum{{{JOB}}}[5m])) / ({counted % '!='} > 0)"
    buckets = f"sum by (job, le) (increase(gte_task_latency_seconds_bucket{{{JOB}}}[5m]))"
    p95 = f"histogram_quantile(0.95, {_answered(buckets, counted % '=', 'job')})"
    return [
        number(
            texts("use"),
            "percentunit",
            Query(
                f"max(job:gte_inference_busy_per_slots:ratio_rate5m{{{JOB}}})", texts("use")["now"], now=True
            ),
            Query(
                f"max(max_over_time(job:gte_inference_busy_per_slots:ratio_rate1m{{{JOB}}}[$__range]))",
                texts("use")["busiest"],
                now=True,
            ),
            thresholds=FULL,
            width=5,
            text="value_and_name",
            decimals=0,
        ),
        number(
            qps,
            "reqps",
            Query(f"sum({_DONE})", qps["now"], now=True),
            Query(f"sum({_DONE} * {BUSY_SHARE} / {_USE})", qps["possible"], now=True),
            width=5,
            text="value_and_name",
            decimals=1,
        ),
        number(
            room,
            "reqps",
            Query(f"min(job:gte_room_sure:rate5m{{{JOB}}})", room["sure"], now=True),
            Query(f"min(job:gte_room_likely:rate5m{{{JOB}}})", room["likely"], now=True),
            width=5,
            text="value_and_name",
            mappings=[word(0, room["nothing"], RED)],
            decimals=1,
        ),
        number(
            clients,
            "none",
            Query(
                f"min({_DONE} / {_USE} * {SLOW_SECONDS} * ({mean}) / ({p95} <= {SLOW_SECONDS} > 0))",
                clients["possible"],
                now=True,
            ),
            Query(
                f"sum(avg_over_time(gte_active_requests{{{JOB}}}[5m])) and on () sum({_USE})", clients["now"], now=True
            ),
            width=5,
            text="value_and_name",
            decimals=1,
        ),
        number(
            texts("first full"),
            "percentunit",
            Query(
                f'topk(1, job:gte_use_per_limit:ratio_rate5m{{{JOB},resource=~"slots|cpus|host_cpus"}})',
                "{{resource}}",
                now=True,
            ),
            thresholds=FULL,
            width=4,
            text="value_and_name",
            overrides=resource_names(texts),
            decimals=0,
        ),
        bars(
            full,
            "percentunit",
            Query(f"max by (resource) (job:gte_use_per_limit:ratio_rate5m{{{JOB}}})", "{{resource}}", now=True),
            thresholds=FULL,
            width=8,
            height=10,
            overrides=resource_names(texts),
        ),
        lines(
            flow,
            "reqps",
            Query(f"sum(avg_over_time({asked}[$__rate_interval]))", flow["asked"]),
            Query(f"sum({_DONE})", flow["done"]),
            Query(f"sum({_DONE} * {BUSY_SHARE} / {_USE})", flow["possible"]),
            Query(f"max_over_time(sum({_DONE})[7d:5m] @ end())", flow["most"]),
            width=16,
            height=10,
            interval=MINUTE,
        ),
        lines(
            texts("busy"),
            "percentunit",
            Query(f"max_over_time({busy}[$__rate_interval])", "{{job}}"),
            width=12,
            alert_from=CAPACITY_LOW,
            most=1,
            interval=MINUTE,
        ),
        lines(
            texts("peak"),
            "percentunit",
            Query(f"max_over_time({busy}[1d] offset -1d)", "{{job}}"),
            width=12,
            bars=True,
            most=1,
            interval="1d",
        ),
    ]  # fmt: skip


def _cost(texts: Texts) -> Sequence[Panel]:
    cost = texts("cost")
    seconds = f"job_task_type:gte_inference_busy_seconds_per_request:ratio_rate5m{{{JOB},{TASK}}}"
    qps = f'sum by (job, task_type) (rate(gte_task_requests_total{{{JOB},{TASK},status="success"}}[5m])) > 0'
    slots = f"on (job) group_left () sum by (job) (avg_over_time(gte_inference_slots{{{JOB}}}[5m]))"
    return [
        table(
            cost,
            [
                f"max by (job, task_type) ({seconds})",
                qps,
                f"sum by (job, task_type) (rate(gte_input_tokens_total{{{JOB},{TASK}}}[5m])) / ({qps})",
                f"({qps}) * on (job, task_type) max by (job, task_type) ({seconds}) / {slots}",
                f"max by (job, task_type) ({seconds}) / {slots}",
                f"{BUSY_SHARE} / (max by (job, task_type) ({seconds}) / {slots})",
            ],
            [
                Column("task_type", cost["task"], rest={
                    "links": [to_board(texts, "gte-inside", texts("links")["inside"], CELL)],
                }),
                Column("B", cost["qps"], "reqps", 120),
                Column("C", cost["tokens"], "none", 135, rest={"decimals": 1}),
                Column("A", cost["seconds"], "s", 180),
                Column("D", cost["share"], "percentunit", 120, rest={"decimals": 1}),
                Column("E", cost["one more"], "percentunit", 180, rest={"decimals": 2}),
                Column("F", cost["alone"], "reqps", 180),
                Column("job", cost["job"], width=130),
            ],
            width=24,
            height=12,
            sort=cost["seconds"],
        )
    ]  # fmt: skip


def _curve(texts: Texts) -> Sequence[Panel]:
    def band(measured: str, low: float, high: float) -> str:
        """The median of a figure while the use was in a band, of at least ten minutes."""
        use = f"(job:gte_capacity_use:ratio_rate5m{{{JOB}}} >= {low:g} < {high:g})"
        inside = f"({measured} and on (job) {use})[$__range:1m]"
        # NaN, which is shown as a dash: a band without any figure would be left out.
        return (
            f"max by (revision) (quantile_over_time(0.5, {inside}) and count_over_time({inside}) >= 10)\n"
            f"  or 0 * max by (revision) (job_revision:gte_model_info:only5m{{{JOB}}}) / 0"
        )

    def by_band(key: str, measured: str, unit: str, colors: Json | None) -> Panel:
        words = texts(key)
        heads = [f"{low:.0%} – {min(high, 1):.0%}" for low, high in BANDS]
        return table(
            words,
            [band(measured, low, high) for low, high in BANDS],
            [
                Column("revision", words["revision"], width=130),
                *(Column(chr(ord("A") + index), head, unit, 95, colors) for index, head in enumerate(heads)),
            ],
            width=12,
            height=6,
        )

    return [
        by_band("latency by load", f"job_revision:gte_task_latency_seconds:p95_rate5m{{{JOB}}}", "s", SLOW),
        by_band(
            "qps by load",
            f"{_DONE} * on (job) group_left (revision) job_revision:gte_model_info:only5m{{{JOB}}}",
            "reqps",
            None,
        ),
    ]  # fmt: skip


def _releases(texts: Texts) -> Sequence[Panel]:
    history = texts("revisions")
    buckets = f"{_BY_REVISION}{{{JOB},{TASK}}}"
    counts = f"{_COUNTS}{{{JOB},{TASK}%s}}"
    failed, valid, invalid = (counts % f",status{which}" for which in ('="error"', '!="invalid"', '="invalid"'))
    refused = f"sum by (revision) (sum_over_time({invalid}[$__interval]))"
    answered = _answered(f"sum by (revision, le) (sum_over_time({buckets}[$__interval]))", refused, "revision")
    return [
        states(
            history,
            "none",
            Query(f"max by (revision) (max_over_time(gte_model_info{{{JOB}}}[$__rate_interval]))", "{{revision}}"),
            width=24,
            height=5,
            mappings=[word(1, history["answers"], BLUE)],
        ),
        _tasks_compared(texts),
        _machine_compared(texts),
        lines(
            texts("p95 by revision"),
            "s",
            Query(
                f"histogram_quantile(0.95, {answered})\n"
                f"  and on (revision) sum by (revision) (sum_over_time({counts % ''}[$__interval])) >= 20",
                "{{revision}}",
            ),
            width=6,
            interval="5m",
        ),
        lines(
            texts("errors by revision"),
            "percentunit",
            Query(
                f"sum by (revision) (sum_over_time({failed}[$__interval]))\n"
                f"  / (sum by (revision) (sum_over_time({valid}[$__interval])) >= 50)",
                "{{revision}}",
            ),
            width=6,
            interval="5m",
        ),
    ]


_BEFORE, _AFTER = 'revision="$before"', 'revision="$after"'
_LONG = "[7d]"
"""How far back a revision is looked at."""


def _tasks_compared(texts: Texts) -> Panel:
    words = texts("compare")

    def requests(which: str, status: str = 'status!="invalid"') -> str:
        return f"sum by (task_type) (sum_over_time({_COUNTS}{{{JOB},{TASK},{which},{status}}}{_LONG}))"

    def quantile(share: float, which: str) -> str:
        buckets = f"sum by (task_type, le) (sum_over_time({_BY_REVISION}{{{JOB},{TASK},{which}}}{_LONG}))"
        answered = _answered(buckets, requests(which, 'status="invalid"'), "task_type")
        return f"histogram_quantile({share}, {answered}) and on (task_type) {requests(which)} >= 20"

    def failing(which: str) -> str:
        failed = requests(which, 'status="error"')
        return f"{failed} / ({requests(which)} >= 50)"

    def tokens(which: str) -> str:
        all_tokens = f"job_revision_task_type:gte_input_tokens:increase1m{{{JOB},{TASK},{which}}}{_LONG}"
        return f"sum by (task_type) (sum_over_time({all_tokens})) / ({requests(which)} > 0)"

    times = (
        f"({quantile(0.95, _AFTER)}) / ({quantile(0.95, _BEFORE)})\n"
        f"  and on (task_type) {requests(_BEFORE)} >= {_ENOUGH} and on (task_type) {requests(_AFTER)} >= {_ENOUGH}"
    )

    def both(of: Callable[[str], str]) -> list[str]:
        return [of(_BEFORE), of(_AFTER)]

    def columns(letters: str, name: str, unit: str, **rest: object) -> list[Column]:
        return [
            Column(letter, f"{words[name]} {words[when]}", unit, rest=rest)
            for letter, when in zip(letters, ("before", "after"), strict=True)
        ]

    return table(
        words,
        [
            *both(requests),
            *both(lambda which: quantile(0.5, which)),
            *both(lambda which: quantile(0.95, which)),
            times,
            *both(failing),
            *both(tokens),
        ],
        [
            Column("task_type", words["task"], width=130),
            *columns("AB", "requests", "locale", decimals=0),
            *columns("CD", "P50", "s"),
            *columns("EF", "P95", "s"),
            Column("G", words["times"], "none", colors=_WORSE, rest={"decimals": 2}),
            *columns("HI", "errors", "percentunit"),
            *columns("JK", "tokens", "short", decimals=0),
        ],
        width=24,
        height=12,
        sort=words["times"],
    )


def _machine_compared(texts: Texts) -> Panel:
    words = texts("compare machine")

    def ratio(total: str, per: str, which: str) -> str:
        above, below = (
            f"sum by (job) (sum_over_time(job_revision:gte_{name}:increase1m{{{JOB},{which}}}{_LONG}))"
            for name in (total, per)
        )
        return f"{above} / ({below} > 0)"

    def of_process(figure: str, which: str) -> str:
        """The largest value of a replica's figure while it served a revision."""
        revision_of = f"max by (job, instance, revision) (gte_model_info{{{JOB},{which}}})"
        joined = f"{figure} * on (job, instance) group_left (revision) {revision_of}"
        return f"max by (job) (max_over_time(({joined})[7d:15m]))"

    memory = f"sum by (job, instance) (gte_process_proportional_memory_bytes{{{JOB}}})"

    def figures(which: str) -> str:
        """All figures of a revision, each with its name as a label."""
        named = {
            "cost": f"1000 * {ratio('inference_busy_seconds', 'batch_tokens', which)}",
            "batch": ratio("batch_tokens", "batches", which),
            "load": of_process(f"max by (job, instance) (gte_model_load_seconds{{{JOB}}})", which),
            "memory": of_process(f"1e-6 * {memory}", which),
        }
        return "\n  or ".join(f'label_replace({expr}, "figure", "{name}", "", "")' for name, expr in named.items())

    names = {
        name: {"text": words[name], "index": index} for index, name in enumerate(("cost", "batch", "load", "memory"))
    }
    return table(
        words,
        [figures(_BEFORE), figures(_AFTER), f"({figures(_AFTER)}) / on (job, figure) ({figures(_BEFORE)})"],
        [
            Column("figure", words["figure"], words=[{"type": "value", "options": names}]),
            Column("A", words["before"], "short", 130),
            Column("B", words["after"], "short", 130),
            Column("C", words["times"], "none", 110, _WORSE, rest={"decimals": 2}),
            Column("job", words["job"], width=130),
        ],
        width=12,
        height=8,
    )
