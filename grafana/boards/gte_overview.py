"""The dashboard "GTE overview": which task is slow, is it our fault, and how much room is left."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.boards.model import PROMETHEUS, Json, Panel, Query, dashboard
from grafana.boards.panels import heatmap, lines, number, steps, table

# The thresholds of GTE_TaskLatencyHigh and GTE_ErrorRateHigh in prometheus/rules.
SLOW_SECONDS = 2
FAILING_SHARE = 0.01

_TASKS = 'task_type=~"$task_type"'
_RATE = "[$__rate_interval]"


def _state() -> Sequence[Panel]:
    green_from_1 = steps((None, "red"), (1, "green"))
    # A revision is the hash of the weights: twelve characters tell it from any other.
    model = (
        "max by (model, short) "
        '(label_replace(gte_model_info{model%s"builtin:.+"}, "short", "$1", "revision", "(.{1,12}).*"))'
    )
    return [
        number(
            "Service",
            "Replicas of gte-service that answer Prometheus. Worry at 0: GTE_ServiceDown fires after 30 s.",
            "none",
            Query('count(up{job="gte-service"} == 1) or vector(0)', "replicas", now=True),
            thresholds=green_from_1,
            width=3,
        ),
        number(
            "Model ready",
            "Whether the model has answered a probe text in every worker. Worry when it stays at no: requests get 503, "
            "and /readyz of the service says why.",
            "none",
            Query("min(gte_model_ready)", "ready", now=True),
            thresholds=green_from_1,
            width=3,
            none="unknown",
            words={"0": ("no", "red"), "1": ("yes", "green")},
        ),
        number(
            "Model and revision",
            "The model that answers, and the hash of its weights. Orange with the word DEMO: the built-in demo model, "
            "whose answers mean nothing. Worry when two are shown: replicas differ.",
            "none",
            Query(model % "!~", "{{model}} · {{short}}", now=True),
            Query(model % "=~", "DEMO MODEL · {{model}} · {{short}}", now=True),
            thresholds=steps((None, "blue")),
            width=9,
            none="unknown",
            names=True,
            overrides=[
                {
                    "matcher": {"id": "byFrameRefID", "options": "B"},
                    "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": "orange"}}],
                }
            ],
        ),
        number(
            "Workers",
            "Live worker processes of all replicas. Worry when it is lower than usual, or when it goes up and down: "
            "workers die and are replaced.",
            "none",
            Query("sum(gte_workers)", "workers", now=True),
            thresholds=green_from_1,
            width=3,
            none="unknown",
        ),
        number(
            "Download",
            "How much of the model has arrived, while it is downloaded. Worry when it stands still.",
            "percentunit",
            Query("min(gte_model_download_bytes / (gte_model_download_total_bytes > 0))", "arrived", now=True),
            thresholds=steps((None, "blue")),
            width=3,
        ),
        number(
            "Alerts",
            "Alerts that fire now. Worry at 1 or more: the table at the bottom names them.",
            "none",
            Query('count(ALERTS{alertstate="firing"}) or vector(0)', "firing", now=True),
            thresholds=steps((None, "green"), (1, "red")),
            width=3,
        ),
    ]


def _tasks() -> Sequence[Panel]:
    latency = f"gte_task_latency_seconds_bucket{{{_TASKS}}}{_RATE}"
    requests = f"gte_task_requests_total{{{_TASKS}"
    failing = f'sum by (task_type) (rate({requests},status="error"}}{_RATE}))'
    answerable = f'sum by (task_type) (rate({requests},status!="invalid"}}{_RATE}))'
    return [
        lines(
            "QPS by task",
            "Finished requests a second, whatever their outcome. Worry when it halves without reason, or when it stays "
            "flat while more requests are in flight: the service is full.",
            "reqps",
            Query(f"sum by (task_type) (rate({requests}}}{_RATE}))", "{{task_type}}"),
        ),
        lines(
            "P95 latency by task",
            "19 of 20 requests were faster than this. No line where there was no request. Worry above the line at 2 s: "
            "after 2 minutes GTE_TaskLatencyHigh fires.",
            "s",
            # NaN, which is no traffic, is not >= 0.
            Query(
                f"histogram_quantile(0.95, sum by (task_type, le) (rate({latency}))) >= 0",
                "{{task_type}}",
            ),
            worry_from=SLOW_SECONDS,
        ),
        lines(
            "Share of errors by task",
            "Requests that failed through our fault (5xx), among those that were valid. No line where there was none. "
            "Worry above the line at 1 %: after 1 minute GTE_ErrorRateHigh fires.",
            "percentunit",
            Query(f"{failing} / ({answerable} > 0)", "{{task_type}}"),
            worry_from=FAILING_SHARE,
        ),
        lines(
            "Requests in flight",
            "Requests being handled at this moment. Worry when it keeps growing: they arrive faster than they leave.",
            "short",
            Query(f"sum by (task_type) (gte_active_requests{{{_TASKS}}})", "{{task_type}}"),
            stacked=True,
        ),
        heatmap(
            "Latency of all requests",
            "How many requests took how long. Worry when a second band appears above the first: some requests wait for "
            "something that others don't.",
            "s",
            Query(f"sum by (le) (increase({latency}))", "{{le}}", format="heatmap"),
        ),
        lines(
            "Where the time goes",
            "Mean time of each part of a request, stacked. Worry when queue grows: the machine is full. Inference "
            "grows with longer texts, or with a new model.",
            "s",
            Query(
                f"sum by (phase) (rate(gte_phase_seconds_sum{_RATE})) "
                f"/ (sum by (phase) (rate(gte_phase_seconds_count{_RATE})) > 0)",
                "{{phase}}",
            ),
            stacked=True,
        ),
    ]


def _machine() -> Sequence[Panel]:
    return [
        lines(
            "Inference slots busy",
            "Share of the inference slots that compute. The rest up to 100 % is free. Worry above "
            "80 %: waiting times grow quickly from there.",
            "percentunit",
            Query(f"sum(rate(gte_inference_busy_seconds_total{_RATE})) / (sum(gte_inference_slots) > 0)", "busy"),
            worry_from=0.8,
            most=1,
        ),
        lines(
            "Texts waiting",
            "Texts in the queues of all workers. Worry when it stays over 0: the machine is full. A worker whose queue "
            "holds GTE_QUEUE_TEXTS refuses more with 503.",
            "short",
            Query("sum(gte_queue_depth)", "texts"),
        ),
        lines(
            "Tokens in a computation",
            "Mean size of the batches; a lone request goes by itself. Worry when it stays near GTE_BATCH_TOKENS: "
            "the machine works at its best, is full, and requests wait.",
            "short",
            Query(f"sum(rate(gte_batch_tokens_sum{_RATE})) / (sum(rate(gte_batch_tokens_count{_RATE})) > 0)", "tokens"),
        ),
        lines(
            "Memory by process",
            "Proportional memory: pages that processes share, such as the model's weights, are divided among them, so "
            "the sum is true. Worry when a worker grows without end, or when the sum nears GTE_MEMORY_LIMIT.",
            "bytes",
            Query("sum by (process) (gte_process_proportional_memory_bytes)", "{{process}}"),
            stacked=True,
        ),
        lines(
            "CPU by process",
            "CPU cores that each process of the service uses. Worry when the sum stays at the number of cores.",
            "short",
            Query(f"sum by (process) (rate(gte_process_cpu_seconds_total{_RATE}))", "{{process}}"),
            stacked=True,
        ),
        lines(
            "Host CPU",
            "Share of the host's CPU time that is not idle. Worry when it stays near 100 % while the service's own "
            "share is small: another program takes it.",
            "percentunit",
            Query(f'1 - avg(rate(node_cpu_seconds_total{{mode="idle"}}{_RATE}))', "busy"),
            most=1,
        ),
        lines(
            "Host memory",
            "Share of the host's memory that can't be had. Worry above the line at 90 %: HostMemoryLow fires after 15 "
            "minutes.",
            "percentunit",
            Query("1 - sum(node_memory_MemAvailable_bytes) / sum(node_memory_MemTotal_bytes)", "used"),
            worry_from=0.9,
            most=1,
        ),
        lines(
            "Host disks",
            "Share of each filesystem that is used or reserved. Worry above the line at 95 %: HostDiskLow fires after "
            "5 minutes.",
            "percentunit",
            Query(
                "1 - max by (mountpoint) (node_filesystem_avail_bytes)"
                " / max by (mountpoint) (node_filesystem_size_bytes)",
                "{{mountpoint}}",
            ),
            worry_from=0.95,
            most=1,
        ),
    ]


def _alerts() -> Sequence[Panel]:
    return [
        table(
            "Alerts that wait or fire",
            "pending: the condition holds, but not yet for long enough. firing: it has been sent to Alertmanager. "
            "Worry about each red line: the page of that name in docs/runbooks says what to do.",
            Query("ALERTS", now=True, format="table"),
            ["alertstate", "severity", "alertname", "task_type", "job", "instance"],
            none="No alert waits or fires.",
        ),
    ]


def _task_type() -> Json:
    definition = "label_values(gte_task_requests_total, task_type)"
    return {
        "name": "task_type",
        "label": "Task",
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": definition,
        "query": {"query": definition, "refId": "task_type"},
        "multi": True,
        "includeAll": True,
        # Instead of a list of all names, which a task that appears later would not be in.
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
        "refresh": 1,
        "regex": "",
        "sort": 1,
    }


def gte_overview() -> Json:
    """The dashboard's model."""
    return dashboard(
        "gte-overview",
        "GTE overview",
        "Which task is slow, whether it is our fault, and how much room is left.",
        {
            "State": _state(),
            "Tasks": _tasks(),
            "Service and host": _machine(),
            "Alerts": _alerts(),
        },
        [_task_type()],
    )
