"""The dashboard "GTE inside the service": which part of a request takes the time, and which replica."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.boards.links import CELL, to_board
from grafana.boards.model import Json, Panel, Query, Row, dashboard
from grafana.boards.overview import P95, SLOW
from grafana.boards.panels import (
    BLUE,
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
)
from grafana.boards.texts import Texts
from grafana.boards.variables import INSTANCE, JOB, TASK, data_source, instance, job, task_type

UID = "gte-inside"

PHASES = {
    "tokenize": "#75C1F4",
    "queue": "#D25800",
    "inference": "#7232CC",
    "postprocess": "#A6C363",
    "rest": "#808080",
}
"""The parts of a request's time, in their order, with their colours."""

NEAR_MEMORY_LIMIT = 0.9

_OURS = "overloaded|deadline|model_not_ready|internal"
"""The reasons of failures through our own fault; all others are the client's."""

_HERE = f"{JOB},{INSTANCE}"
_PARTS = f"job_instance_task_type_phase:gte_task_phase_seconds:rate1m{{{_HERE},{TASK}"
_FINISHED = f"job_instance_task_type:gte_task_latency_seconds_count:rate1m{{{_HERE},{TASK}}}"
_OF_ALL = f"job_instance_task_type:gte_task_latency_seconds_count:rate1m{{{_HERE}}}"


def inside(texts: Texts) -> Json:
    """The dashboard's model in a language."""
    rows = [
        Row(None, _answer(texts)),
        Row(texts("row time"), _time(texts)),
        Row(texts("row queue"), _queue(texts)),
        Row(texts("row input"), _input(texts)),
        Row(texts("row workers"), _workers(texts)),
        Row(texts("row model"), _model(texts)),
    ]
    variables = [data_source(texts), job(texts), instance(texts), task_type(texts)]
    return dashboard(texts, UID, rows, variables)


def _limit(resource: str) -> str:
    return f'max by (instance) (last_over_time(gte_limit{{{_HERE},resource="{resource}"}}[$__rate_interval]))'


def _dashed(ref_id: str) -> Json:
    """A limit among the lines of what uses it."""
    style = {"fill": "dash", "dash": [8, 6]}
    return override_query(
        ref_id,
        color=fixed(RED),
        custom__lineStyle=style,
        custom__fillOpacity=0,
        custom__stacking={"mode": "none", "group": "B"},
    )


def _answer(texts: Texts) -> Sequence[Panel]:
    longest, waiting, serving, refused = texts("longest"), texts("waiting"), texts("serving"), texts("refused")
    finished = f"sum(avg_over_time({_FINISHED}[5m])) > 0"
    mean = f"sum by (phase) (avg_over_time({_PARTS}}}[5m])) / on () group_left () ({finished})"
    named = {phase: texts("phases")[phase] for phase in PHASES}
    return [
        number(
            texts("slowest"),
            "s",
            Query(f"topk(1, {P95})", "{{task_type}}", now=True),
            thresholds=SLOW,
            width=5,
            text="value_and_name",
        ),
        number(
            longest,
            "s",
            Query(f"topk(1, {mean})", "{{phase}}", now=True),
            width=5,
            text="value_and_name",
            overrides=[override(phase, displayName=name) for phase, name in named.items()],
        ),
        number(
            waiting,
            "none",
            Query(f"sum(gte_queue_depth{{{_HERE}}})", waiting["texts"], now=True),
            Query(f"sum(gte_backlog_connections{{{_HERE}}})", waiting["connections"], now=True),
            thresholds=steps((None, BLUE), (1, YELLOW)),
            width=5,
            text="value_and_name",
        ),
        number(
            refused,
            "reqps",
            Query(
                f'sum(job_instance_reason:gte_task_errors:rate1m{{{_HERE},reason=~"{_OURS}"}})',
                refused["failed"],
                now=True,
            ),
            thresholds=steps((None, BLUE), (0.01, RED)),
            width=4,
            mappings=[word(0, refused["nothing"], BLUE)],
        ),
        number(
            serving,
            "none",
            Query(f"min(gte_server_up{{{_HERE}}})", serving["server"], now=True),
            Query(f"min(gte_model_ready{{{_HERE}}})", serving["model"], now=True),
            width=5,
            text="value_and_name",
            mappings=[word(0, serving["no"], RED), word(1, serving["yes"], BLUE)],
        ),
    ]


def _time(texts: Texts) -> Sequence[Panel]:
    parts, by_task = texts("parts"), texts("parts by task")
    only = to_board(texts, UID, by_task["only"], CELL)
    waited = f"sum_over_time(job_instance_le:gte_queue_seconds_bucket:increase1m{{{_HERE}}}[$__interval])"
    named = texts("phases")

    def mean(of: str) -> str:
        total = f"sum by (task_type) (avg_over_time({_FINISHED}[5m])) > 0"
        return f"sum by (task_type) (avg_over_time({of}[5m])) / ({total})"

    warm = {
        "color": {"mode": "continuous-YlRd"},
        "min": 0,
        "custom__cellOptions": {"type": "color-background", "mode": "basic"},
    }
    return [
        lines(
            parts,
            "s",
            Query(
                f"sum by (phase) ({_PARTS}}}) / on () group_left () (sum({_FINISHED}) > 0)",
                "{{phase}}",
            ),
            width=12,
            stacked=True,
            interval=MINUTE,
            overrides=[
                override(phase, displayName=named[phase], color=fixed(color)) for phase, color in PHASES.items()
            ],
        ),
        table(
            by_task,
            [
                *(mean(f'{_PARTS},phase="{phase}"}}') for phase in PHASES),
                mean(f"{_PARTS}}}"),
            ],
            [
                Column("task_type", by_task["task"], width=105, rest={"links": [only]}),
                *(
                    Column(at, named[phase], "s", 95 if phase == "postprocess" else 78, rest=warm)
                    for at, phase in zip("ABCDE", PHASES, strict=True)
                ),
                Column("F", by_task["mean"], "s", 78),
            ],
            width=12,
            height=8,
            sort=by_task["mean"],
        ),
        heatmap(
            texts("queue time"),
            "s",
            Query(
                f"sum by (le) ({waited})",
                "{{le}}",
                format="heatmap",
            ),
            interval=MINUTE,
        ),
        lines(
            texts("p95 by phase"),
            "s",
            Query(
                f"max by (phase) (\n  job_instance_phase:gte_phase_seconds:p95_rate1m{{{_HERE}}}\n"
                f"    and on (job, instance) 60 * sum by (job, instance) ({_OF_ALL}) >= 20\n)",
                "{{phase}}",
            ),
            interval=MINUTE,
            overrides=[
                override(phase, displayName=named[phase], color=fixed(color))
                for phase, color in PHASES.items()
                if phase != "rest"
            ],
        ),
        lines(
            texts("p95 by replica"),
            "s",
            Query(f"job_instance:gte_task_latency_seconds:p95_rate1m{{{_HERE}}}", "{{instance}}"),
            interval=MINUTE,
        ),
    ]  # fmt: skip


def _queue(texts: Texts) -> Sequence[Panel]:
    batch, queue = texts("batch"), texts("queue")
    tokens = f"gte_batch_tokens_sum{{{_HERE}}}[$__rate_interval]"
    buckets = f"gte_batch_tokens_bucket{{{_HERE}}}[$__rate_interval]"
    batches = f"gte_batch_tokens_count{{{_HERE}}}[$__rate_interval]"
    return [
        lines(
            queue,
            "short",
            Query(f"max by (instance) (max_over_time(gte_queue_depth{{{_HERE}}}[$__rate_interval]))", "{{instance}}"),
            Query(_limit("queue_texts"), queue["limit"]),
            overrides=[_dashed("B")],
        ),
        lines(
            texts("connections"),
            "short",
            Query(
                f"max_over_time(sum by (queue) (gte_backlog_connections{{{_HERE}}})[$__rate_interval:])", "{{queue}}"
            ),
        ),
        lines(
            texts("failures"),
            "reqps",
            Query(
                f'sum by (reason) (job_instance_reason:gte_task_errors:rate1m{{{_HERE},reason=~"{_OURS}"}})',
                "{{reason}}",
            ),
            interval=MINUTE,
        ),
        lines(
            batch,
            "short",
            Query(f"sum(rate({tokens})) / (sum(rate({batches})) > 0)", batch["mean"]),
            Query(
                f"histogram_quantile(0.95, sum by (le) (rate({buckets}))) >= 0",
                "P95",
            ),
            Query(f"max({_limit('batch_tokens')})", batch["limit"]),
            overrides=[_dashed("C")],
        ),
        lines(
            texts("texts in batch"),
            "short",
            Query(
                f"sum(rate(gte_batch_texts_sum{{{_HERE}}}[$__rate_interval])) "
                f"/ (sum(rate(gte_batch_texts_count{{{_HERE}}}[$__rate_interval])) > 0)",
                batch["mean"],
            ),
        ),
        lines(
            texts("seconds per 1000 tokens"),
            "s",
            Query(
                f"1000 * sum by (instance) (rate(gte_inference_busy_seconds_total{{{_HERE}}}[5m])) "
                f"/ (sum by (instance) (rate(gte_batch_tokens_sum{{{_HERE}}}[5m])) > 0)",
                "{{instance}}",
            ),
        ),
    ]


def _input(texts: Texts) -> Sequence[Panel]:
    http = texts("http")
    failed = {"type": "regex", "options": {"pattern": "5..", "result": {"color": RED, "index": 0}}}
    answered = f"flask_http_request_duration_seconds_count{{{_HERE}}}[5m]"
    taken = f"flask_http_request_duration_seconds_sum{{{_HERE}}}[5m]"
    return [
        lines(
            texts("tokens"),
            "short",
            Query(
                f"max by (task_type) "
                f"(job_instance_task_type:gte_input_tokens_per_request:ratio_rate1m{{{_HERE},{TASK}}})",
                "{{task_type}}",
            ),
            interval=MINUTE,
            by_task=True,
        ),
        lines(
            texts("truncated"),
            "percentunit",
            Query(
                f"max_over_time(job:gte_truncated_per_texts:ratio_rate1h{{{JOB}}}[$__rate_interval])",
                "{{job}}",
            ),
            alert_from=0.05,
        ),
        lines(
            texts("invalid"),
            "reqps",
            Query(
                f'sum by (reason) (job_instance_reason:gte_task_errors:rate1m{{{_HERE},reason!~"{_OURS}"}}) > 0',
                "{{reason}}",
            ),
            interval=MINUTE,
        ),
        table(
            http,
            [
                f"sum by (path, method, status) (rate({answered})) > 0",
                f"sum by (path, method, status) (rate({taken}))"
                f" / (sum by (path, method, status) (rate({answered})) > 0)",
            ],
            [
                Column("path", http["path"]),
                Column("method", http["method"], width=90),
                Column("status", http["status"], width=90, colors=NEUTRAL, words=[failed]),
                Column("A", http["rate"], "reqps", 120),
                Column("B", http["mean"], "s", 120),
            ],
            width=24,
            height=7,
            sort=http["rate"],
        ),
    ]  # fmt: skip


def _workers(texts: Texts) -> Sequence[Panel]:
    server, workers, memory, cpu = texts("server"), texts("workers"), texts("memory"), texts("cpu")
    processes = texts("processes")
    used = f"gte_process_proportional_memory_bytes{{{_HERE}}}"
    return [
        states(
            server,
            "none",
            Query(
                f"min by (instance) (min_over_time(gte_server_up{{{_HERE}}}[$__rate_interval]))",
                "{{instance}} " + server["server"],
            ),
            Query(
                f"min by (instance) (min_over_time(gte_model_ready{{{_HERE}}}[$__rate_interval]))",
                "{{instance}} " + server["model"],
            ),
            width=8,
            height=8,
            mappings=[word(0, server["no"], RED), word(1, server["yes"], BLUE)],
            values="auto",
        ),
        lines(
            workers,
            "short",
            Query(f"min by (instance) (min_over_time(gte_workers{{{_HERE}}}[$__rate_interval]))", "{{instance}}"),
            Query(
                f"round(sum by (instance) (increase(gte_worker_restarts_total{{{_HERE}}}[$__rate_interval]))) > 0",
                "{{instance}} " + workers["replaced"],
            ),
        ),
        lines(
            texts("heartbeat"),
            "s",
            Query(
                f"max by (instance) (max_over_time(gte_worker_heartbeat_age_seconds{{{_HERE}}}[$__rate_interval]))",
                "{{instance}}",
            ),
        ),
        lines(
            cpu,
            "short",
            Query(
                f"sum by (instance) (rate(gte_process_cpu_seconds_total{{{_HERE}}}[$__rate_interval]))", "{{instance}}"
            ),
            Query(_limit("cpus"), "{{instance}} " + cpu["limit"]),
            overrides=[_dashed("B")],
        ),
        lines(
            memory,
            "bytes",
            Query(
                f"max_over_time(sum by (instance) ({used})[$__rate_interval:])",
                "{{instance}}",
            ),
            Query(f"{NEAR_MEMORY_LIMIT} * {_limit('memory_bytes')}", "{{instance}} " + memory["limit"]),
            overrides=[_dashed("B")],
        ),
        lines(
            texts("memory by process"),
            "bytes",
            Query(
                f"max by (instance, process) (max_over_time({used}[$__rate_interval]))",
                "{{instance}} {{process}}",
            ),
            stacked=True,
        ),
        table(
            processes,
            [
                f"sum by (instance, process) (rate(gte_process_cpu_seconds_total{{{_HERE}}}[5m]))",
                f"max by (instance, process) (gte_process_proportional_memory_bytes{{{_HERE}}})",
                f"max by (instance, process) (gte_process_open_fds{{{_HERE}}})",
                f"max by (instance, process) (gte_process_threads{{{_HERE}}})",
                f"max by (instance, process) (1000 * gte_process_start_time_seconds{{{_HERE}}})",
            ],
            [
                Column("instance", processes["instance"]),
                Column("process", processes["process"], width=140),
                Column("A", "CPU", "short", 110),
                Column("B", processes["memory"], "bytes", 130),
                Column("C", processes["files"], "none", 130),
                Column("D", processes["threads"], "none", 110),
                Column("E", processes["started"], "dateTimeFromNow", 160),
            ],
            width=24,
            height=8,
            sort=processes["instance"],
            falling=False,
        ),
    ]


def _model(texts: Texts) -> Sequence[Panel]:
    counters = texts("counters")
    left = f"gte_model_download_total_bytes{{{_HERE}}} - gte_model_download_bytes{{{_HERE}}}"
    return [
        bars(
            texts("download"),
            "percentunit",
            Query(
                f"gte_model_download_bytes{{{_HERE}}} / (gte_model_download_total_bytes{{{_HERE}}} > 0)",
                "{{instance}}",
                now=True,
            ),
            thresholds=NEUTRAL,
            width=6,
            height=4,
        ),
        number(
            texts("download left"),
            "s",
            Query(
                f"max(({left} > 0) / on (job, instance) (deriv(gte_model_download_bytes{{{_HERE}}}[5m]) > 0))",
                texts("download left")["title"],
                now=True,
            ),
            width=6,
        ),
        number(
            texts("load time"),
            "s",
            Query(f"max(gte_model_load_seconds{{{_HERE}}})", texts("load time")["title"], now=True),
            width=6,
        ),
        number(
            counters,
            "none",
            Query(
                f"max(increase(gte_metric_files_set_aside_total{{{_HERE}}}[1d])) + "
                f"max(changes(gte_counters_start_time_seconds{{{_HERE}}}[1d]))",
                counters["title"],
                now=True,
            ),
            thresholds=steps((None, RED)),
            width=6,
            mappings=[word(0, counters["whole"], BLUE)],
        ),
    ]
