"""The dashboard "GTE overview": which task is slow or fails, since when, and how much room is left."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.boards.links import CELL, SERIES, to_board
from grafana.boards.model import Json, Panel, Query, Row, dashboard
from grafana.boards.panels import (
    BLUE,
    GREY,
    MINUTE,
    NEUTRAL,
    RED,
    YELLOW,
    Column,
    bars,
    fixed,
    heatmap,
    lines,
    number,
    override,
    override_query,
    states,
    steps,
    table,
    word,
    word_between,
)
from grafana.boards.texts import Texts
from grafana.boards.variables import JOB, TASK, data_source, job, task_type

UID = "gte-overview"

# GTE_TaskLatencyHigh is about a P95 over 2 s, that is over 5 % of slow requests; GTE_ErrorRateHigh is about 1 %.
SLOW_SECONDS = 2
FAILING_SHARE = 0.01
SLOW_SHARE = 0.05

SLOW = steps((None, BLUE), (SLOW_SECONDS / 2, YELLOW), (SLOW_SECONDS, RED))
SLOWER = steps((None, BLUE), (1.5, YELLOW), (2, RED))
FULL = steps((None, BLUE), (0.7, YELLOW), (0.8, RED))

P95 = f"job_task_type:gte_task_latency_seconds:p95_latest{{{JOB},{TASK}}}"
_FORMER = f"job_task_type:gte_task_latency_seconds:p95_rate5m{{{JOB},{TASK}}}"
_REQUESTS = f"job_task_type:gte_task_requests:increase5m{{{JOB},{TASK}}}"
_FAILING = f"job_task_type:gte_task_failures_per_requests:ratio_latest{{{JOB},{TASK}}}"
# Where most requests fail, the few that are answered say nothing.
NOW = f"({P95} unless on (job, task_type) {_FAILING} > 0.5)"
_RATE = f"job_task_type_status:gte_task_requests:rate1m{{{JOB},{TASK}%s}}"
_ASKED = _RATE % ""
_KNOWN = _RATE % ',task_type!="unknown"'
_ANSWERABLE = _RATE % ',status!="invalid"'
_BUCKETS = "job_task_type_le:gte_task_latency_seconds_bucket:increase1m"


def resource_names(texts: Texts) -> list[Json]:
    """Gives each limited resource its name."""
    return [override(resource, displayName=name) for resource, name in texts("resources").texts.items()]


def overview(texts: Texts) -> Json:
    """The dashboard's model in a language."""
    rows = [
        Row(None, [*_state(texts), *_tasks(texts)]),
        Row(texts("row history"), _history(texts)),
        Row(texts("row distribution"), _distribution(texts)),
        Row(texts("row budget"), _budgets(texts)),
        Row(texts("row alerts"), _alerts(texts)),
    ]
    return dashboard(texts, UID, rows, [data_source(texts), job(texts), task_type(texts)])


def _state(texts: Texts) -> Sequence[Panel]:
    answering, model, failing = texts("answering"), texts("model"), texts("failing")
    room, firing = texts("room"), texts("firing")
    inside = texts("links")["inside"]
    everywhere = to_board(texts, "gte-inside", inside)
    # At least as many as the alert needs.
    failed = f'sum by (job, task_type) (increase(gte_task_requests_total{{{JOB},{TASK},status="error"}}[7m]))'
    # A revision is the hash of the weights: twelve characters tell it from any other.
    info = (
        "max by (model, short) "
        f'(label_replace(gte_model_info{{{JOB},model%s"builtin:.+"}}, "short", "$1", "revision", "(.{{1,12}}).*"))'
    )
    # Replicas of the last hour, because one that died is no longer there to be counted.
    server_up = f"gte_server_up{{{JOB}}}"
    return [
        number(
            answering,
            "none",
            Query(
                f"sum({server_up}) / count(max_over_time({server_up}[1h]))\n"
                f"  or 0 * count(max_over_time({server_up}[1d:1m]))",
                answering["share"],
                now=True,
            ),
            Query(f"count({server_up} == 1)", answering["replicas"], now=True),
            width=3,
            text="value_and_name",
            overrides=[
                override_query(
                    "A",
                    mappings=[
                        word(0, answering["no"], RED),
                        word_between(1e-9, 1 - 1e-9, answering["some"], YELLOW),
                        word(1, answering["all"], BLUE),
                    ],
                ),
                override_query("B", color=fixed(GREY)),
            ],
            links=[to_board(texts, "gte-inside", inside)],
        ),
        number(
            model,
            "none",
            Query(info % "!~", "{{model}} · {{short}}", now=True),
            Query(info % "=~", model["demo"] + " · {{model}} · {{short}}", now=True),
            # Names are shown, so that the words for no data have to be one.
            Query(f"absent(gte_model_info{{{JOB}}})", model["none"], now=True),
            width=5,
            text="name",
            overrides=[override_query("B", color=fixed("orange")), override_query("C", color=fixed(GREY))],
            links=[to_board(texts, "gte-capacity", texts("links")["capacity"])],
        ),
        number(
            texts("slowest"),
            "s",
            Query(f"topk(1, {NOW})", "{{task_type}}", now=True),
            thresholds=SLOW,
            width=5,
            text="value_and_name",
            links=[to_board(texts, "gte-inside", inside, SERIES)],
        ),
        number(
            failing,
            "percentunit",
            Query(f"topk(1, {_FAILING} and on (job, task_type) {failed} >= 3)", "{{task_type}}", now=True),
            Query(f"0 * (sum({_ANSWERABLE}) > 0) unless on () {failed} >= 3", failing["three"], now=True),
            thresholds=steps((None, BLUE), (FAILING_SHARE, RED)),
            text="value_and_name",
            overrides=[override_query("B", mappings=[word(0, failing["nothing"], BLUE)], links=[everywhere])],
            links=[to_board(texts, "gte-inside", inside, SERIES)],
        ),
        number(
            room,
            "reqps",
            # Of the fullest service, with the resource that is.
            Query(
                f"job:gte_room_sure:rate5m{{{JOB}}} and on (job) topk(1, job:gte_capacity_use:ratio_rate5m{{{JOB}}})",
                room["more"],
                now=True,
            ),
            Query(
                f'topk(1, job:gte_use_per_limit:ratio_rate5m{{{JOB},resource=~"slots|cpus|host_cpus"}})\n'
                f"  and on (job) job:gte_capacity_use:ratio_rate5m{{{JOB}}}",
                "{{resource}}",
                now=True,
            ),
            text="value_and_name",
            overrides=[
                override_query("A", mappings=[word(0, room["nothing"], RED)]),
                override_query("B", unit="percentunit", thresholds=FULL),
                *resource_names(texts),
            ],
            links=[to_board(texts, "gte-capacity", texts("links")["capacity"])],
            decimals=1,
        ),
        number(
            firing,
            "none",
            Query(
                'count(ALERTS{alertstate="firing",severity=~"critical|warning"}) or vector(0)',
                firing["firing"],
                now=True,
            ),
            Query('sum(alertmanager_alerts{state="suppressed"})', firing["muted"], now=True),
            thresholds=steps((None, BLUE), (1, RED)),
            width=3,
            text="value_and_name",
            overrides=[override_query("B", color=fixed(GREY))],
        ),
    ]


def _tasks(texts: Texts) -> Sequence[Panel]:
    tasks = texts("tasks")
    link = to_board(texts, "gte-inside", texts("links")["inside"], CELL)
    # NaN, which is shown as a dash: a column without any value would be left out.
    unknown = f"\n  or 0 * sum by (job, task_type) ({_KNOWN}) / 0"
    return [
        table(
            tasks,
            [
                f"max by (job, task_type) ({NOW})",
                f"max by (job, task_type) ({_FORMER} offset 1h) {unknown}",
                f"max by (job, task_type) ({_FORMER} offset 1d) {unknown}",
                # From 0.1 s, as GTE_SlowerThanUsual: below it nobody notices.
                f"({_FORMER} / {_FORMER} offset 1h\n"
                f"  and on (job, task_type) {_FORMER} > 0.1\n"
                f"  and on (job, task_type) {_REQUESTS} >= 50\n"
                f"  and on (job, task_type) {_REQUESTS} offset 1h >= 50) {unknown}",
                # A name that is no task has a line only while somebody uses it.
                f"sum by (job, task_type) ({_KNOWN})\n  or sum by (job, task_type) ({_ASKED}) > 0",
                f"max by (job, task_type) ({_FAILING}) {unknown}",
                f"max by (job, task_type) ({_REQUESTS} > 0) {unknown}",
            ],
            [
                Column("task_type", tasks["task"], width=110, rest={"links": [link]}),
                Column("A", tasks["now"], "s", 85, SLOW),
                Column("B", tasks["hour"], "s", 80),
                Column("C", tasks["day"], "s", 80),
                Column("D", tasks["ratio"], "none", 60, SLOWER, rest={"decimals": 1}),
                Column("E", tasks["qps"], "reqps", 95),
                Column("F", tasks["errors"], "percentunit", 70, steps((None, BLUE), (FAILING_SHARE, RED))),
                Column("G", tasks["requests"], "none", 92, rest={"decimals": 0}),
                Column("job", tasks["job"], width=92),
            ],
            width=15,
            height=12,
            sort=tasks["now"],
        ),
        states(
            texts("since"),
            "s",
            Query(f"max by (task_type) (max_over_time({P95}[$__interval]))", "{{task_type}}"),
            width=9,
            height=12,
            thresholds=SLOW,
        ),
    ]


def _history(texts: Texts) -> Sequence[Panel]:
    link = to_board(texts, "gte-inside", texts("links")["inside"], SERIES)
    return [
        lines(
            texts("qps"),
            "reqps",
            Query(f"sum by (task_type) (avg_over_time({_ASKED}[$__rate_interval]))", "{{task_type}}"),
            by_task=True,
            links=[link],
        ),
        lines(
            texts("p95"),
            "s",
            Query(f"max by (task_type) (max_over_time({P95}[$__rate_interval]))", "{{task_type}}"),
            by_task=True,
            links=[link],
        ),
        lines(
            texts("errors"),
            "percentunit",
            Query(f"max by (task_type) (max_over_time({_FAILING}[$__rate_interval]))", "{{task_type}}"),
            alert_from=FAILING_SHARE,
            by_task=True,
            links=[link],
        ),
    ]


def _distribution(texts: Texts) -> Sequence[Panel]:
    durations, percentiles = texts("durations"), texts("percentiles")
    # Requests up to a bound, of the whole time shown. A bound is written "2" or "2.0", depending on who exposes it.
    bounds = [r"0[.]1", r"0[.]2", r"0[.]5", r"1([.]0)?", r"2([.]0)?", r"[+]Inf"]
    up_to = [
        f'sum by (task_type) (sum_over_time({_BUCKETS}{{{JOB},{TASK},le=~"{bound}"}}[$__range]))' for bound in bounds
    ]
    # Of fewer than 50 requests no shares are shown.
    shares = [
        f"({up_to[index]}{f' - {up_to[index - 1]}' if index else ''}) / ({up_to[-1]} >= 50)"
        for index in range(len(bounds))
    ]
    in_flight = f"sum by (task_type) (gte_active_requests{{{JOB},{TASK}}})"
    blues = {"color": {"mode": "continuous-blues"}, "min": 0, "max": 1, "decimals": 0}
    heads = ("to 0.1 s", "to 0.2 s", "to 0.5 s", "to 1 s", "to 2 s", "over 2 s")
    in_step = f"sum by (le) (sum_over_time({_BUCKETS}{{{JOB},{TASK}}}[$__interval]))"
    slow_share = f"job_task_type:gte_task_slow_per_answers:ratio_rate1m{{{JOB},{TASK}}}"
    return [
        table(
            durations,
            shares,
            [
                Column("task_type", texts("tasks")["task"], width=110),
                *(
                    Column(chr(ord("A") + index), durations[head], "percentunit", 80, rest={
                        **blues, "custom__cellOptions": {"type": "color-background", "mode": "basic"},
                    })
                    for index, head in enumerate(heads)
                ),
            ],
            width=12,
            height=12,
        ),
        heatmap(
            texts("heatmap"), "s", Query(in_step, "{{le}}", format="heatmap"), width=12, height=12, interval=MINUTE
        ),
        lines(
            texts("slow share"),
            "percentunit",
            Query(f"max by (task_type) (max_over_time({slow_share}[$__rate_interval]))", "{{task_type}}"),
            alert_from=SLOW_SHARE,
            by_task=True,
        ),
        lines(
            texts("in flight"),
            "short",
            Query(f"max_over_time({in_flight}[$__rate_interval:])", "{{task_type}}"),
            by_task=True,
        ),
        lines(
            percentiles,
            "s",
            *(
                Query(
                    f"histogram_quantile({share}, {in_step})\n"
                    f'  and on () sum(sum_over_time({_BUCKETS}{{{JOB},{TASK},le="+Inf"}}[$__interval])) >= 20',
                    name,
                )
                for name, share in (("P50", 0.5), ("P95", 0.95), ("P99", 0.99))
            ),
            interval=MINUTE,
        ),
    ]  # fmt: skip


def _budgets(texts: Texts) -> Sequence[Panel]:
    left = steps((None, RED), (0, YELLOW), (0.25, BLUE))
    return [
        bars(
            texts(f"budget {name}"),
            "percentunit",
            Query(
                f"min by (task_type) (job_task_type:gte_{name}_budget_left:ratio7d{{{JOB},{TASK}}})",
                "{{task_type}}",
                now=True,
            ),
            thresholds=left,
            width=12,
        )
        for name in ("availability", "latency")
    ]


def _alerts(texts: Texts) -> Sequence[Panel]:
    alerts, history = texts("alerts"), texts("alert history")
    # Grafana writes the name of a label that a series lacks: a blank instead.
    by_alert = (
        'label_replace(max by (alertname, task_type) (ALERTS{alertstate="%s",alertname!="Watchdog"}), '
        '"task_type", " ", "task_type", "")'
    )
    states_of = [word(1, history["pending"], YELLOW), word(2, history["firing"], RED)]
    since = 'ALERTS{alertname!="Watchdog"} * ignoring (alertstate) group_left () (1000 * ALERTS_FOR_STATE)'
    for label in ("task_type", "job", "instance"):
        # A column exists although no alert has the label.
        since = f'label_replace({since}, "{label}", "–", "{label}", "")'
    state = {
        "type": "value",
        "options": {
            "firing": {"text": history["firing"], "color": RED, "index": 0},
            "pending": {"text": history["pending"], "color": YELLOW, "index": 1},
        },
    }
    return [
        table(
            alerts,
            [
                f"max by (alertstate, severity, alertname, task_type, job, instance) ({since})"
            ],
            [
                Column("alertstate", alerts["state"], width=75, colors=NEUTRAL, words=[state]),
                Column("severity", alerts["severity"], width=75),
                Column("alertname", alerts["alert"], width=190),
                Column("A", alerts["since"], "dateTimeFromNow", 135),
                Column("task_type", alerts["task"], width=95),
                Column("job", alerts["job"], width=95),
                Column("instance", alerts["instance"]),
            ],
            width=14,
            height=8,
            sort=alerts["state"],
            falling=False,
        ),
        states(
            history,
            "none",
            Query(
                f"2 * {by_alert % 'firing'}\n  or {by_alert % 'pending'}",
                "{{alertname}} {{task_type}}",
            ),
            width=10,
            height=8,
            mappings=states_of,
        ),
    ]  # fmt: skip
