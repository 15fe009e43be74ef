"""Checks what gte-service tells Prometheus, against the metric contract.

The names are written here once more on purpose: the check must not read them from the code that it checks.
"""

from __future__ import annotations

import re

from smoke.answers import at, require
from smoke.check import Check, Stack
from smoke.checks.gte_service import readiness
from smoke.deadline import Deadline
from smoke.exposition import Exposition

SERVED_TASKS = ("embedding", "similarity")
LATER_TASKS = ("sentiment", "classification", "qa", "ner", "relation", "event")
TASKS = (*SERVED_TASKS, *LATER_TASKS, "unknown")
STATUSES = ("success", "error", "invalid")
REASONS = (
    "invalid_json",
    "invalid_input",
    "unknown_task",
    "too_large",
    "unauthorized",
    "overloaded",
    "deadline",
    "model_not_ready",
    "internal",
)
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PHASES = ("tokenize", "queue", "inference", "postprocess")
SINGLE = (
    "gte_inference_busy_seconds_total",
    "gte_inference_slots",
    "gte_queue_depth",
    "gte_model_info",
    "gte_model_ready",
    "gte_model_load_seconds",
    "gte_model_download_bytes",
    "gte_model_download_total_bytes",
    "gte_workers",
    "gte_worker_restarts_total",
    "gte_server_up",
    "gte_metric_files_set_aside_total",
    "gte_counters_start_time_seconds",
)
PER_PROCESS = (
    "gte_process_cpu_seconds_total",
    "gte_process_resident_memory_bytes",
    "gte_process_proportional_memory_bytes",
    "gte_process_open_fds",
    "gte_process_threads",
    "gte_process_start_time_seconds",
)
QUEUES = ("accept", "unread")
FLASK = ("flask_http_request_total", "flask_http_request_duration_seconds_count", "flask_exporter_info")
MODEL_LABELS = {"model", "revision", "precision", "device", "engine"}
OPENMETRICS = "application/openmetrics-text"


def scrape(stack: Stack, deadline: Deadline) -> Exposition:
    """The metrics of gte-service as they are now; raises CheckError."""
    return Exposition(stack.at.gte_metrics.get("/metrics", deadline).expect(200).text())


def _text_format(stack: Stack, deadline: Deadline) -> None:
    answer = stack.at.gte_metrics.get("/metrics", deadline).expect(200)
    kind = answer.headers.get("content-type", "")
    # Prometheus 3 refuses a scrape whose content type is none that it knows.
    usable = re.match(r"text/plain;.*\bversion=\d", kind)
    require(usable is not None, f"{answer.asked}: content type {kind!r} instead of text/plain; version=…")
    require(bool(Exposition(answer.text()).names), f"{answer.asked}: no samples")


def _openmetrics(stack: Stack, deadline: Deadline) -> None:
    accept = f"{OPENMETRICS};version=1.0.0"
    answer = stack.at.gte_metrics.get("/metrics", deadline, accept=accept).expect(200)
    kind = answer.headers.get("content-type", "")
    require(kind.startswith(OPENMETRICS), f"{answer.asked}: asked for OpenMetrics, got {kind!r}")
    require(answer.text().endswith("# EOF\n"), f"{answer.asked}: OpenMetrics that doesn't end with # EOF")


def _tasks(stack: Stack, deadline: Deadline) -> None:
    metrics = scrape(stack, deadline)
    for task in TASKS:
        for status in STATUSES:
            metrics.one("gte_task_requests_total", task_type=task, status=status)
        for reason in REASONS:
            metrics.one("gte_task_errors_total", task_type=task, reason=reason)
        metrics.check_histogram("gte_task_latency_seconds", LATENCY_BOUNDS, task_type=task)
        active = metrics.one("gte_active_requests", task_type=task).value
        require(active >= 0, f"gte_active_requests of {task} is {active:g}")


def _whole_service(stack: Stack, deadline: Deadline) -> None:
    metrics = scrape(stack, deadline)
    for name in SINGLE:
        metrics.one(name)
    for name in ("gte_model_ready", "gte_server_up", "gte_workers", "gte_inference_slots"):
        value = metrics.one(name).value
        require(value >= 1, f"{name} is {value:g}")
    for queue in QUEUES:
        metrics.one("gte_backlog_connections", queue=queue)
    for phase in PHASES:
        metrics.one("gte_phase_seconds_count", phase=phase)
    for task in SERVED_TASKS:
        metrics.one("gte_input_tokens_total", task_type=task)
        metrics.one("gte_truncated_inputs_total", task_type=task)
    for name in PER_PROCESS:
        for process in ("master", "exporter"):
            metrics.one(name, process=process)
        # Their numbers are those of slots, and after a reload the workers are in other slots than before.
        workers = sum(sample.labels.get("process", "").startswith("worker-") for sample in metrics.all(name))
        live = metrics.one("gte_workers").value
        require(workers == live, f"{name} has {workers} workers, gte_workers is {live:g}")
    absent = [name for name in FLASK if name not in metrics.names]
    require(not absent, f"no {', '.join(absent)} among the metrics")


def _model(stack: Stack, deadline: Deadline) -> None:
    ready = readiness(stack, deadline)
    info = scrape(stack, deadline).one("gte_model_info")
    require(info.value == 1, f"gte_model_info is {info.value:g}")
    lacks = sorted(MODEL_LABELS.difference(info.labels))
    require(not lacks, f"gte_model_info has no label {', '.join(lacks)}")
    for name in ("model", "revision"):
        said = at(ready, name, kind=str)
        require(
            info.labels[name] == said,
            f"gte_model_info has {name}={info.labels[name]!r}, /readyz says {said!r}",
        )


CHECKS = (
    Check("gte-service", "answers a scrape in the text format", _text_format),
    Check("gte-service", "answers a scrape in OpenMetrics when asked", _openmetrics),
    Check("gte-service", "has the series of the contract for every task", _tasks),
    Check("gte-service", "has the series of the contract for model, workers and processes", _whole_service),
    Check("gte-service", "names in gte_model_info the model of /readyz", _model),
)
