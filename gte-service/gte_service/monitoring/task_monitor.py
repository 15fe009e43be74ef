"""Measures a Flask app: every HTTP request, and on the task routes every task."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
        phases: seconds by phase.
        tokens: tokens computed for it, special ones included.
        truncated: texts of it that were cut.
        batch_tokens: tokens of the computations that held a text of it, those of other requests included.
    """

    begun: float
    is_task: bool
    task_type: str = UNKNOWN_TASK
    reason: str = ""
    active: bool = False
    done: bool = False
    phases: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    truncated: int = 0
    batch_tokens: int = 0

    @property
    def seconds(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self.begun


@dataclass(frozen=True)
class Counted:
    """A request at the moment it was counted, with the very values it was counted with.

    Attributes:
        time: when, in UTC.
        http_status: what it was answered with.
        seconds: from its arrival to its answer.
        status: `success`, `error` or `invalid`; "" for what is no task.
        reason: why it has no result, one of the contract's reasons; "" for a success and for what is no task.
        measured: what else is known of it.
    """

    time: datetime
    http_status: int
    seconds: float
    status: str
    reason: str
    measured: Measured


class TaskMonitor:
    """Hooks into a Flask app and records each of its requests exactly once."""

    def __init__(
        self,
        app: Flask,
        task_rules: Mapping[str, str] | None = None,
        recorder: Recorder | None = None,
        on_counted: Callable[[Counted], None] | None = None,
    ) -> None:
        """Measure `app`.

        Args:
            app: the app; hooks are added, nothing else changes. Add the monitor before other hooks: Flask runs
                the first `after_request` hook last, so it sees the final answer.
            task_rules: URL rules whose POST requests are tasks, each with its task, or "" where `task_is` will say;
                by default only `/predict`.
            recorder: where to record; by default a new one.
            on_counted: is called once for each request, right after it was counted and inside its context. What it
                raises fails the request.
        """
        self.recorder = recorder or Recorder()
        self._task_rules = {"/predict": ""} if task_rules is None else dict(task_rules)
        self._on_counted = on_counted
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
        """Add to a part of the request in hand; it is recorded when the request is counted."""
        phases = current().phases
        phases[phase] = phases.get(phase, 0.0) + seconds

    def volume(self, tokens: int, truncated: int, batch_tokens: int) -> None:
        """Add to what was computed for the request in hand; it is recorded when the request is counted.

        Args:
            tokens: of its texts, special ones included.
            truncated: texts that were cut.
            batch_tokens: of the computations that held its texts.
        """
        measured = current()
        measured.tokens += tokens
        measured.truncated += truncated
        measured.batch_tokens += batch_tokens

    def _begin(self) -> None:
        rule = request.url_rule.rule if request.url_rule else ""
        g.measured = Measured(time.perf_counter(), rule in self._task_rules and request.method == "POST")
        if g.measured.is_task and self._task_rules[rule]:
            self.task_is(self._task_rules[rule])

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
        now, seconds = datetime.now(UTC), measured.seconds
        rule = request.url_rule.rule if request.url_rule else None
        self.recorder.http_finished(request.method, rule, http_status, seconds)
        status = reason = ""
        if measured.is_task:
            if http_status >= 400 and not measured.reason:
                default = "invalid_input" if http_status < 500 else "internal"
                measured.reason = _REASON_OF_STATUS.get(http_status, default)
            status, reason = self.recorder.task_finished(measured.task_type, http_status, measured.reason, seconds)
            self.recorder.volume(measured.task_type, measured.tokens, measured.truncated)
        for phase, part in measured.phases.items():
            self.recorder.phase(phase, part)
        self._leave(measured)
        if self._on_counted:
            self._on_counted(Counted(now, http_status, seconds, status, reason, measured))

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
