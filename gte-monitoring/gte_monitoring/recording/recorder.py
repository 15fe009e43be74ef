"""The worker's side of the contract: one object that holds its metrics and knows how each is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gte_monitoring.contract import (
    CONTRACT,
    METHODS,
    OTHER_METHOD,
    PHASES,
    REASONS,
    STATUSES,
    TASK_TYPES,
    UNKNOWN_TASK,
    UNMATCHED_PATH,
    Metric,
)
from gte_monitoring.recording.cells import Cells

# In metric files the monitor's own metrics have names that begin so: what an app calls alike stays apart from them.
OWN_PREFIX = "monitor_"
_METHODS = frozenset(METHODS)
_STATUSES = frozenset(STATUSES)
_REASONS = frozenset(REASONS)
_EXCEPTION_STATUS = "500"


class Http(NamedTuple):
    """An HTTP request and what it was answered with.

    Attributes:
        method: the HTTP method; unusual ones are counted as `other`.
        rule: the URL rule that matched, None where none did.
        status: of the answer.
    """

    method: str
    rule: str | None
    status: int


class Outcome(NamedTuple):
    """How a task ended.

    Attributes:
        status: `success`, `error` or `invalid`.
        reason: one of the contract's reasons, "" for a success.
    """

    status: str
    reason: str = ""


class Recorder:
    """Records what a worker does. Every series with known label values exists from the start, at 0."""

    def __init__(self, task_types: Sequence[str] = TASK_TYPES) -> None:
        """Make the metric objects; in a worker, `join_metrics` must have come before.

        Args:
            task_types: the known tasks; any other word is counted as `unknown`, so clients can't add series.
        """
        self.registry = CollectorRegistry()
        self._cells = Cells(self.registry)
        made: dict[str, Any] = {
            entry.name: _make(entry, self.registry) for entry in CONTRACT if entry.origin == "worker"
        }
        tasks = (*task_types, UNKNOWN_TASK)
        # Children are looked up here once: a lookup costs more than what it is for.
        self._active: dict[str, Gauge] = {task: made["gte_active_requests"].labels(task) for task in tasks}
        self._tokens: dict[str, Counter] = {task: made["gte_input_tokens_total"].labels(task) for task in tasks}
        self._truncated: dict[str, Counter] = {task: made["gte_truncated_inputs_total"].labels(task) for task in tasks}
        self._phase: dict[str, Histogram] = {phase: made["gte_phase_seconds"].labels(phase) for phase in PHASES}
        self._busy: Counter = made["gte_inference_busy_seconds_total"]
        self._queue_depth: Gauge = made["gte_queue_depth"]
        self._batch_texts: Histogram = made["gte_batch_texts"]
        self._batch_tokens: Histogram = made["gte_batch_tokens"]
        self._http_exceptions: Counter = made["flask_http_request_exceptions_total"]
        for method in ("GET", "POST"):
            self._http_exceptions.labels(method, _EXCEPTION_STATUS)

    def task_label(self, task_type: object) -> str:
        """The value of the label `task_type` for what a client sent."""
        return task_type if isinstance(task_type, str) and task_type in self._active else UNKNOWN_TASK

    def task_started(self, task_type: str) -> None:
        """A request of a task is being handled."""
        self._active[task_type].inc()

    def task_ended(self, task_type: str) -> None:
        """A request of a task, reported by `task_started`, is no longer being handled."""
        self._active[task_type].dec()

    def http_finished(self, http: Http, seconds: float) -> None:
        """Count a finished HTTP request that is no task.

        Args:
            http: the request and its answer.
            seconds: from its arrival to its answer.
        """
        self._cells.add((*_labels(http), "", "", ""), seconds)

    def task_finished(self, http: Http, seconds: float, task_type: str, outcome: Outcome) -> Outcome:
        """Count a finished HTTP request that is a task, as both.

        Args:
            http: the request and its answer.
            seconds: from its arrival to its answer.
            task_type: a value that `task_label` gave.
            outcome: how it ended; a status that is none of the contract's becomes `error`, a reason `internal`.

        Returns:
            the outcome it was counted under; the reason of a success is "".
        """
        status = outcome.status if outcome.status in _STATUSES else "error"
        reason = "" if status == "success" else outcome.reason if outcome.reason in _REASONS else "internal"
        self._cells.add((*_labels(http), task_type, status, reason), seconds)
        return Outcome(status, reason)

    def phase(self, phase: str, seconds: float) -> None:
        """Record how long a part of a request took."""
        self._phase[phase].observe(seconds)

    def volume(self, task_type: str, tokens: int, truncated: int) -> None:
        """Record what a request brought: tokens, and texts that were cut."""
        if tokens:
            self._tokens[task_type].inc(tokens)
        if truncated:
            self._truncated[task_type].inc(truncated)

    def batch(self, texts: int, tokens: int, seconds: float) -> None:
        """Record one computation: its size, and the time its slot was busy."""
        self._batch_texts.observe(texts)
        self._batch_tokens.observe(tokens)
        self._busy.inc(seconds)

    def queue_depth(self, texts: int) -> None:
        """Say how many texts wait in this worker."""
        self._queue_depth.set(texts)

    def http_exception(self, method: str) -> None:
        """Count an HTTP request that ended in an exception nobody handled."""
        self._http_exceptions.labels(_method(method), _EXCEPTION_STATUS).inc()


def _labels(http: Http) -> tuple[str, str, str]:
    return _method(http.method), http.rule or UNMATCHED_PATH, str(http.status)


def _method(method: str) -> str:
    return method if method in _METHODS else OTHER_METHOD


def _make(entry: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name = OWN_PREFIX + entry.name
    if entry.kind == "counter":
        return Counter(name, entry.help, entry.label_names, registry=registry)
    if entry.kind == "gauge":
        # Only live modes: a sum over workers that are gone would never go down again.
        return Gauge(name, entry.help, entry.label_names, registry=registry, multiprocess_mode="livesum")
    return Histogram(name, entry.help, entry.label_names, registry=registry, buckets=entry.bounds)
