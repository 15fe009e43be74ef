"""The metric contract: every metric's name, type, labels, bounds and meaning, once.

Rules, dashboards, documents and tests are checked against this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TASK_TYPES = ("embedding", "similarity", "sentiment", "classification", "qa", "ner", "relation", "event")
UNKNOWN_TASK = "unknown"
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
PHASES = ("tokenize", "queue", "inference", "postprocess")

# Seconds. 0.1 to 2 are the tutorial's own steps, 2 being its alert threshold; 30 is the default deadline of a request.
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PHASE_BOUNDS = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCH_TEXTS_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
BATCH_TOKENS_BOUNDS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0)
# Those of prometheus_client, which prometheus_flask_exporter uses: existing dashboards expect them.
FLASK_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

Origin = Literal["worker", "exporter"]


@dataclass(frozen=True)
class Metric:
    """One metric of the contract.

    Attributes:
        name: as Prometheus sees it, `_total` included.
        kind: `counter`, `gauge` or `histogram`.
        labels: names of its labels.
        help: what it means.
        origin: who measures it: each `worker`, or the `exporter` from states and from /proc.
        bounds: upper bounds of a histogram's buckets, in the metric's unit.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    origin: Origin = "worker"
    bounds: tuple[float, ...] = ()


CONTRACT: tuple[Metric, ...] = (
    Metric(
        "gte_task_requests_total",
        "counter",
        ("task_type", "status"),
        "Finished requests. error is our fault (5xx), invalid is the client's (4xx).",
    ),
    Metric(
        "gte_task_errors_total",
        "counter",
        ("task_type", "reason"),
        "Requests that were not answered with a result, by reason.",
    ),
    Metric(
        "gte_task_latency_seconds",
        "histogram",
        ("task_type",),
        "Whole handling of a request, in seconds. Worry when the 95th percentile stays over 2 s.",
        bounds=LATENCY_BOUNDS,
    ),
    Metric("gte_active_requests", "gauge", ("task_type",), "Requests in flight, summed over live workers."),
    Metric(
        "gte_phase_seconds",
        "histogram",
        ("phase",),
        "Parts of a request, in seconds. queue growing beside inference means the machine is full.",
        bounds=PHASE_BOUNDS,
    ),
    Metric(
        "gte_queue_depth",
        "gauge",
        (),
        "Texts that wait for their computation, over live workers. Worry when it stays over 0: the machine is full.",
    ),
    Metric("gte_batch_texts", "histogram", (), "Texts in one computation.", bounds=BATCH_TEXTS_BOUNDS),
    Metric("gte_batch_tokens", "histogram", (), "Tokens in one computation.", bounds=BATCH_TOKENS_BOUNDS),
    Metric("gte_input_tokens_total", "counter", ("task_type",), "Tokens computed, special ones included."),
    Metric("gte_truncated_inputs_total", "counter", ("task_type",), "Texts cut at 512 tokens."),
    Metric(
        "gte_inference_busy_seconds_total",
        "counter",
        (),
        "Seconds that inference slots spent computing. Its rate divided by gte_inference_slots is the utilisation.",
    ),
    Metric(
        "gte_inference_slots",
        "gauge",
        (),
        "Computations that can run at the same time: as many as the CPUs carry, and as there are ready workers.",
        "exporter",
    ),
    Metric(
        "gte_model_info",
        "gauge",
        ("model", "revision", "precision", "device", "engine"),
        "1 for the model that answers; joins any series with the model's version.",
        "exporter",
    ),
    Metric("gte_model_ready", "gauge", (), "1 when the model has answered a probe text in every worker.", "exporter"),
    Metric("gte_model_load_seconds", "gauge", (), "Longest time a live worker took to load the model.", "exporter"),
    Metric("gte_model_download_bytes", "gauge", (), "Bytes of the model that have arrived.", "exporter"),
    Metric(
        "gte_model_download_total_bytes", "gauge", (), "Bytes of the model in all; 0 if none are fetched.", "exporter"
    ),
    Metric("gte_workers", "gauge", (), "Live worker processes. 0 means that nothing answers requests.", "exporter"),
    Metric(
        "gte_worker_restarts_total",
        "counter",
        (),
        "Workers started in place of earlier ones, by recycling, reload or death.",
        "exporter",
    ),
    Metric(
        "gte_process_cpu_seconds_total", "counter", ("process",), "CPU time of a live process, in seconds.", "exporter"
    ),
    Metric(
        "gte_process_resident_memory_bytes",
        "gauge",
        ("process",),
        "Resident memory of a live process; the shared weights count in each.",
        "exporter",
    ),
    Metric(
        "gte_process_proportional_memory_bytes",
        "gauge",
        ("process",),
        "Proportional memory (PSS) of a live process: shared pages divided by their users, so the sum is true.",
        "exporter",
    ),
    Metric("gte_process_open_fds", "gauge", ("process",), "Open file descriptors of a live process.", "exporter"),
    Metric(
        "flask_http_request_duration_seconds",
        "histogram",
        ("method", "path", "status"),
        "Flask HTTP request duration in seconds.",
        bounds=FLASK_BOUNDS,
    ),
    Metric("flask_http_request_total", "counter", ("method", "status"), "Total number of HTTP requests."),
    Metric(
        "flask_http_request_exceptions_total",
        "counter",
        ("method", "status"),
        "Total number of HTTP requests which resulted in an exception.",
    ),
    Metric("flask_exporter_info", "gauge", ("version",), "Information about the Flask exporter.", "exporter"),
)


def metric(name: str) -> Metric:
    """The contract's entry of a name.

    Raises:
        KeyError: there is no such metric in the contract.
    """
    return _BY_NAME[name]


_BY_NAME = {entry.name: entry for entry in CONTRACT}
