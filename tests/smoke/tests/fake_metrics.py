"""Expositions as the services of a stack in which all is well would answer them."""

from __future__ import annotations

from collections import Counter

TASKS = (
    "embedding",
    "similarity",
    "sentiment",
    "classification",
    "qa",
    "ner",
    "relation",
    "event",
    "unknown",
)
REASONS = "invalid_json invalid_input unknown_task too_large unauthorized overloaded deadline model_not_ready internal"
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "+Inf")
SINGLE = (
    "gte_inference_busy_seconds_total",
    "gte_inference_slots",
    "gte_queue_depth",
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
    "cpu_seconds_total",
    "resident_memory_bytes",
    "proportional_memory_bytes",
    "open_fds",
    "threads",
    "start_time_seconds",
)


def gte_metrics(model: str, revision: str, requests: Counter[tuple[str, str]], errors: Counter[tuple[str, str]]) -> str:
    """What gte-service answers, with these counts."""
    lines = ["# HELP gte_task_requests_total Finished requests.", "# TYPE gte_task_requests_total counter"]
    for task in TASKS:
        for status in ("success", "error", "invalid"):
            value = requests[task, status]
            lines.append(f'gte_task_requests_total{{task_type="{task}",status="{status}"}} {value}.0')
        for reason in REASONS.split():
            lines.append(f'gte_task_errors_total{{task_type="{task}",reason="{reason}"}} {errors[task, reason]}.0')
        for bound in BOUNDS:
            lines.append(f'gte_task_latency_seconds_bucket{{task_type="{task}",le="{bound}"}} 3.0')
        lines.append(f'gte_task_latency_seconds_count{{task_type="{task}"}} 3.0')
        lines.append(f'gte_task_latency_seconds_sum{{task_type="{task}"}} 0.01')
        for name in ("gte_active_requests", "gte_input_tokens_total", "gte_truncated_inputs_total"):
            lines.append(f'{name}{{task_type="{task}"}} 0.0')
    for phase in ("tokenize", "queue", "inference", "postprocess"):
        lines.append(f'gte_phase_seconds_count{{phase="{phase}"}} 3.0')
    for name in SINGLE:
        lines.append(f"{name} 1.0")
    labels = f'model="{model}",revision="{revision}",precision="float32",device="cpu",engine="torch"'
    lines.append(f"gte_model_info{{{labels}}} 1.0")
    for process in ("master", "worker-0", "exporter"):
        for figure in PER_PROCESS:
            lines.append(f'gte_process_{figure}{{process="{process}"}} 1.0')
    for queue in ("accept", "unread"):
        lines.append(f'gte_backlog_connections{{queue="{queue}"}} 0.0')
    lines.append('flask_http_request_total{method="POST",status="200"} 3.0')
    lines.append('flask_http_request_duration_seconds_count{method="POST",path="/predict",status="200"} 3.0')
    lines.append('flask_exporter_info{version="0.23.2"} 1.0')
    return "\n".join(lines) + "\n"


def alertmanager_metrics() -> str:
    """What Alertmanager answers."""
    return "alertmanager_config_last_reload_successful 1\n"


def inbox_metrics() -> str:
    """What alert-inbox answers."""
    return 'alert_inbox_notifications_total{status="firing"} 1.0\nalert_inbox_stored_notifications 1.0\n'


def node_metrics() -> str:
    """What node-exporter answers."""
    lines = ["node_memory_MemTotal_bytes 8e+09", "node_memory_MemAvailable_bytes 4e+09", "node_load1 0.5"]
    lines += [f'node_cpu_seconds_total{{cpu="0",mode="{mode}"}} 12.5' for mode in ("idle", "user", "system")]
    labels = 'device="/dev/vda",device_error="",fstype="ext4",mountpoint="/"'
    lines += [
        f"node_filesystem_size_bytes{{{labels}}} 2e+10",
        f"node_filesystem_avail_bytes{{{labels}}} 1e+10",
    ]
    return "\n".join(lines) + "\n"
