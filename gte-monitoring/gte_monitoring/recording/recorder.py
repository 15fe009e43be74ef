"""The worker's side of the contract: one object that holds its metrics and knows how each is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gte_monitoring.contract import (
    METHODS,
    OTHER_METHOD,
    PHASES,
    REASONS,
    REST,
    STATUSES,
    UNKNOWN_TASK,
    UNMATCHED_PATH,
    Metric,
    general_metrics,
)
from gte_monitoring.recording.request_series import RequestSeries
from gte_monitoring.recording.requests import Http, Outcome
from gte_monitoring.settings import DEFAULT_TASK_TYPES

# The monitor's own metrics begin so in metric files, which keeps them apart from an app's metrics of the same name.
MONITOR_PREFIX = "monitor_"
_METHODS = frozenset(METHODS)
_STATUSES = frozenset(STATUSES)
_REASONS = frozenset(REASONS)
_EXCEPTION_STATUS = "500"
_NO_PHASES: Mapping[str, float] = MappingProxyType({})


class Recorder:
    """Records what a worker does. Every series with known label values exists from the start, at 0."""

    def __init__(self, task_types: Sequence[str] = DEFAULT_TASK_TYPES, metrics: Iterable[Metric] = ()) -> None:
        """Make the metric objects; in a worker, `join_metrics` must have come before.

        Args:
            task_types: the known tasks; any other word is counted as `unknown`, so clients can't add series.
            metrics: the app's own entries of the contract, besides the general ones.
        """
        self.registry = CollectorRegistry()
        self._requests = RequestSeries(self.registry)
        contract = (*general_metrics(task_types), *metrics)
        self._metrics = {entry.name: _make(entry, self.registry) for entry in contract if entry.origin == "worker"}
        tasks = (*task_types, UNKNOWN_TASK)
        # Children are looked up here once: a lookup costs more than recording in one.
        self._active: dict[str, Gauge] = {task: self.metric("gte_active_requests").labels(task) for task in tasks}
        self._tokens: dict[str, Counter] = {task: self.metric("gte_input_tokens_total").labels(task) for task in tasks}
        self._truncated: dict[str, Counter] = {
            task: self.metric("gte_truncated_inputs_total").labels(task) for task in tasks
        }
        self._phase: dict[str, Histogram] = {phase: self.metric("gte_phase_seconds").labels(phase) for phase in PHASES}
        self._task_phase: dict[str, dict[str, Counter]] = {
            task: {phase: self.metric("gte_task_phase_seconds_total").labels(task, phase) for phase in (*PHASES, REST)}
            for task in tasks
        }
        self._http_exceptions: Counter = self.metric("flask_http_request_exceptions_total")
        for method in ("GET", "POST"):
            self._http_exceptions.labels(method, _EXCEPTION_STATUS)

    def metric(self, name: str) -> Any:
        """The Counter, Gauge or Histogram of an entry of the contract that workers record themselves.

        Raises:
            KeyError: there is no such entry.
        """
        return self._metrics[name]

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
        self._requests.add((*_labels(http), "", "", ""), seconds)

    def task_finished(
        self,
        http: Http,
        seconds: float,
        task_type: str,
        outcome: Outcome,
        phases: Mapping[str, float] = _NO_PHASES,
    ) -> Outcome:
        """Count a finished HTTP request that is a task, as both.

        Args:
            http: the request and its answer.
            seconds: from its arrival to its answer.
            task_type: a value that `task_label` gave.
            outcome: how it ended; a status that is none of the contract's becomes `error`, a reason `internal`.
            phases: the part of `seconds` in each of `PHASES`; what they leave of it is recorded as the phase `rest`.

        Returns:
            the outcome it was counted under; the reason of a success is "".
        """
        status = outcome.status if outcome.status in _STATUSES else "error"
        reason = "" if status == "success" else outcome.reason if outcome.reason in _REASONS else "internal"
        counters, rest = self._task_phase[task_type], seconds
        for phase, part in phases.items():
            counters[phase].inc(part)
            rest -= part
        # Below 0 where phases ran at the same time, or a clock differs from the monitor's.
        counters[REST].inc(max(0.0, rest))
        self._requests.add((*_labels(http), task_type, status, reason), seconds)
        return Outcome(status, reason)

    def phase(self, phase: str, seconds: float) -> None:
        """Record how long a phase of a request took; `phase` is one of `PHASES`."""
        self._phase[phase].observe(seconds)

    def volume(self, task_type: str, tokens: int, truncated: int) -> None:
        """Record how many tokens a request had, and how many of its texts were truncated."""
        if tokens:
            self._tokens[task_type].inc(tokens)
        if truncated:
            self._truncated[task_type].inc(truncated)

    def http_exception(self, method: str) -> None:
        """Count an HTTP request that ended in an exception nobody handled."""
        self._http_exceptions.labels(_method(method), _EXCEPTION_STATUS).inc()


def _labels(http: Http) -> tuple[str, str, str]:
    return _method(http.method), http.rule or UNMATCHED_PATH, str(http.status)


def _method(method: str) -> str:
    return method if method in _METHODS else OTHER_METHOD


def _make(entry: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name = MONITOR_PREFIX + entry.name
    if entry.kind == "counter":
        return Counter(name, entry.help, entry.label_names, registry=registry)
    if entry.kind == "gauge":
        # A live mode: a sum over workers that are gone would never go down again.
        return Gauge(name, entry.help, entry.label_names, registry=registry, multiprocess_mode="livesum")
    return Histogram(name, entry.help, entry.label_names, registry=registry, buckets=entry.bounds)
