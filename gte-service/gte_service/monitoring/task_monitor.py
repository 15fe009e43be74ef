"""Measures a Flask app: every HTTP request, and on the task routes every task."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from flask import Flask, Response, g, got_request_exception, request

from gte_service.monitoring.contract import UNKNOWN_TASK
from gte_service.monitoring.recorder import Recorder

# The reason of a request that was refused before anybody named one.
_REASON_OF_STATUS = {401: "unauthorized", 413: "too_large", 503: "overloaded", 504: "deadline"}


@dataclass
class Measured:
    """What is known of the request in hand.

    Attributes:
        begun: `time.perf_counter()` at its arrival.
        is_task: whether it is counted as a task.
        task_type: label value of its task.
        reason: why it has no result, "" while nothing is wrong.
        active: whether it is counted in `gte_active_requests`.
        done: whether it has been counted.
        phases: seconds by phase, for the log.
    """

    begun: float
    is_task: bool
    task_type: str = UNKNOWN_TASK
    reason: str = ""
    active: bool = False
    done: bool = False
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self.begun


class TaskMonitor:
    """Hooks into a Flask app and records each of its requests exactly once."""

    def __init__(
        self, app: Flask, task_rules: Collection[str] = ("/predict",), recorder: Recorder | None = None
    ) -> None:
        """Measure `app`.

        Args:
            app: the app; hooks are added, nothing else changes. Add the monitor before other hooks: Flask runs
                the first `after_request` hook last, so it sees the final answer.
            task_rules: URL rules whose POST requests are tasks.
            recorder: where to record; by default a new one.
        """
        self.recorder = recorder or Recorder()
        self._task_rules = frozenset(task_rules)
        app.before_request(self._begin)
        app.after_request(self._finish)
        app.teardown_request(self._make_sure)
        got_request_exception.connect(self._note_exception, app)

    def task_is(self, task_type: object) -> None:
        """Say which task the request in hand is; an unknown word is counted as `unknown`."""
        measured = current()
        self._leave(measured)
        measured.task_type = self.recorder.task_label(task_type)
        self.recorder.task_started(measured.task_type)
        measured.active = True

    def phase(self, phase: str, seconds: float) -> None:
        """Record a part of the request in hand."""
        current().phases[phase] = seconds
        self.recorder.phase(phase, seconds)

    def _begin(self) -> None:
        rule = request.url_rule.rule if request.url_rule else None
        g.measured = Measured(time.perf_counter(), rule in self._task_rules and request.method == "POST")

    def _finish(self, response: Response) -> Response:
        self._count(response.status_code)
        return response

    def _make_sure(self, error: BaseException | None) -> None:
        # Another hook failed, so no answer passed through `_finish`: the server answers 500.
        if "measured" in g and not current().done:
            self._count(500)

    def _count(self, http_status: int) -> None:
        measured = current()
        measured.done = True
        seconds = measured.seconds
        rule = request.url_rule.rule if request.url_rule else None
        self.recorder.http_finished(request.method, rule, http_status, seconds)
        if measured.is_task:
            if http_status >= 400 and not measured.reason:
                default = "invalid_input" if http_status < 500 else "internal"
                measured.reason = _REASON_OF_STATUS.get(http_status, default)
            self.recorder.task_finished(measured.task_type, http_status, measured.reason, seconds)
        self._leave(measured)

    def _leave(self, measured: Measured) -> None:
        if measured.active:
            self.recorder.task_ended(measured.task_type)
            measured.active = False

    def _note_exception(self, sender: Flask, exception: BaseException) -> None:
        self.recorder.http_exception(request.method)


def current() -> Measured:
    """What is known of the request in hand."""
    measured: Measured = g.measured
    return measured
