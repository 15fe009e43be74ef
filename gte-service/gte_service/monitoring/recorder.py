"""The worker's side of the contract: one object that holds its metrics and knows how each is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gte_service.monitoring.contract import (
    CONTRACT,
    PHASES,
    REASONS,
    STATUSES,
    TASK_TYPES,
    UNKNOWN_TASK,
    Metric,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
UNMATCHED_PATH = "unmatched"


class Recorder:
    """Records what a worker does. Every series with known label values exists from the start, at 0."""

    def __init__(self, task_types: Sequence[str] = TASK_TYPES) -> None:
        """Make the metric objects; in a worker, `join_metrics` must have come before.

        Args:
            task_types: the known tasks; any other word is counted as `unknown`, so clients can't add series.
        """
        registry = CollectorRegistry()
        made: dict[str, Any] = {entry.name: _make(entry, registry) for entry in CONTRACT if entry.origin == "worker"}
        self._known = frozenset(task_types)
        self._requests: Counter = made["gte_task_requests_total"]
        self._errors: Counter = made["gte_task_errors_total"]
        self._latency: Histogram = made["gte_task_latency_seconds"]
        self._active: Gauge = made["gte_active_requests"]
        self._phase: Histogram = made["gte_phase_seconds"]
        self._tokens: Counter = made["gte_input_tokens_total"]
        self._truncated: Counter = made["gte_truncated_inputs_total"]
        self._busy: Counter = made["gte_inference_busy_seconds_total"]
        self._queue_depth: Gauge = made["gte_queue_depth"]
        self._batch_texts: Histogram = made["gte_batch_texts"]
        self._batch_tokens: Histogram = made["gte_batch_tokens"]
        self._http_duration: Histogram = made["flask_http_request_duration_seconds"]
        self._http_total: Counter = made["flask_http_request_total"]
        self._http_exceptions: Counter = made["flask_http_request_exceptions_total"]
        for task_type in (*task_types, UNKNOWN_TASK):
            for status in STATUSES:
                self._requests.labels(task_type, status)
            for reason in REASONS:
                self._errors.labels(task_type, reason)
            for by_task in (self._latency, self._active, self._tokens, self._truncated):
                by_task.labels(task_type)
        for phase in PHASES:
            self._phase.labels(phase)

    def task_label(self, task_type: object) -> str:
        """The value of the label `task_type` for what a client sent."""
        return task_type if isinstance(task_type, str) and task_type in self._known else UNKNOWN_TASK

    def task_started(self, task_type: str) -> None:
        """A request of a task is being handled."""
        self._active.labels(task_type).inc()

    def task_ended(self, task_type: str) -> None:
        """A request of a task, reported by `task_started`, is no longer being handled."""
        self._active.labels(task_type).dec()

    def task_finished(self, task_type: str, http_status: int, reason: str, seconds: float) -> tuple[str, str]:
        """Count a request of a task that has been answered.

        Args:
            task_type: a value that `task_label` gave.
            http_status: what it was answered with; 4xx is the client's fault, 5xx ours.
            reason: why there was no result, one of the contract's reasons; not used for a success.
            seconds: from its arrival to its answer.

        Returns:
            the labels `status` and `reason` it was counted under; the reason of a success is "".
        """
        status = "success" if http_status < 400 else "invalid" if http_status < 500 else "error"
        counted = "" if status == "success" else reason if reason in REASONS else "internal"
        self._requests.labels(task_type, status).inc()
        if counted:
            self._errors.labels(task_type, counted).inc()
        self._latency.labels(task_type).observe(seconds)
        return status, counted

    def phase(self, phase: str, seconds: float) -> None:
        """Record how long a part of a request took."""
        self._phase.labels(phase).observe(seconds)

    def volume(self, task_type: str, tokens: int, truncated: int) -> None:
        """Record what a request brought: tokens, and texts that were cut."""
        self._tokens.labels(task_type).inc(tokens)
        self._truncated.labels(task_type).inc(truncated)

    def batch(self, texts: int, tokens: int, seconds: float) -> None:
        """Record one computation: its size, and the time its slot was busy."""
        self._batch_texts.observe(texts)
        self._batch_tokens.observe(tokens)
        self._busy.inc(seconds)

    def queue_depth(self, texts: int) -> None:
        """Say how many texts wait in this worker."""
        self._queue_depth.set(texts)

    def http_finished(self, method: str, rule: str | None, http_status: int, seconds: float) -> None:
        """Count an HTTP request as prometheus_flask_exporter does.

        Args:
            method: the HTTP method; unusual ones become `other`.
            rule: the URL rule that matched, None where none did.
            http_status: what it was answered with.
            seconds: from its arrival to its answer.
        """
        method = method if method in _METHODS else "other"
        status = str(http_status)
        self._http_duration.labels(method, rule or UNMATCHED_PATH, status).observe(seconds)
        self._http_total.labels(method, status).inc()

    def http_exception(self, method: str) -> None:
        """Count an HTTP request that ended in an exception nobody handled."""
        self._http_exceptions.labels(method if method in _METHODS else "other", "500").inc()


def _make(entry: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if entry.kind == "counter":
        return Counter(entry.name, entry.help, entry.labels, registry=registry)
    if entry.kind == "gauge":
        # Only live modes: a sum over workers that are gone would never go down again.
        return Gauge(entry.name, entry.help, entry.labels, registry=registry, multiprocess_mode="livesum")
    return Histogram(entry.name, entry.help, entry.labels, registry=registry, buckets=entry.bounds)
