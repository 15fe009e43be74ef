"""Measures a Flask app: every HTTP request, and on the task routes every task."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from flask import Flask, Request, Response, request
from flask.signals import got_request_exception, request_finished, request_started, request_tearing_down
from prometheus_client import make_wsgi_app
from werkzeug.exceptions import HTTPException

from gte_monitoring.contract import PHASES
from gte_monitoring.exposition.exporter import exposition
from gte_monitoring.processes.folders import folder_of_server
from gte_monitoring.recording.recorder import Recorder
from gte_monitoring.recording.requests import FinishedRequest, Http, Outcome, RequestInFlight
from gte_monitoring.recording.slot_setup import direct_metrics, metrics_directory
from gte_monitoring.settings import DEFAULT_TASK_TYPES, read_monitoring_settings

_EXTENSION = "task_monitor"
_METRICS_PATH = "/metrics"
# The same path, but a variable in it makes it give way to a rule without any, even to one that the app makes later.
_METRICS_RULE = "/metric<any(s):_>"
_METRICS_ENDPOINT = "task_monitor_metrics"
# The key of a request's WSGI environment that holds its RequestInFlight.
_REQUEST_IN_FLIGHT = "gte_monitoring.request_in_flight"
# The reason of a request that was refused before anybody named one.
_REASON_OF_STATUS = {
    401: "unauthorized",
    403: "unauthorized",
    413: "too_large",
    429: "overloaded",
    503: "overloaded",
    504: "deadline",
}
_SUCCESS, _NO_TASK = Outcome("success"), Outcome("")
_log = logging.getLogger(__name__)
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


def task_in_body(request: Request) -> object:
    """The task a request names in the field `task_type` of its JSON body, of its form or of its query; or None."""
    try:
        body = request.get_json(silent=True)
        return body.get("task_type") if isinstance(body, dict) else request.values.get("task_type")
    except HTTPException:
        # A body that can't be read, for example a too large one: the app will say so itself.
        return None


class TaskMonitor:
    """Records each request of a Flask app exactly once.

    It listens to Flask's signals, not hooks, so the order in which an app registers its own doesn't matter: a request
    that another hook answers is counted as well, with the status that the client gets.
    """

    def __init__(
        self,
        app: Flask,
        task_rules: Mapping[str, str] | None = None,
        recorder: Recorder | None = None,
        on_counted: Callable[[FinishedRequest], None] | None = None,
        *,
        task_types: Iterable[str] = DEFAULT_TASK_TYPES,
        task_of: Callable[[Request], object] | None = task_in_body,
        outcome_of: Callable[[Response], Outcome | None] | None = None,
        leave_out: Callable[[Request], bool] | None = None,
    ) -> None:
        """Measure `app`.

        Where no gunicorn hook has said where metrics go, they go to a folder that all workers of this server share
        (`GTE_METRICS_DIR` names another), and the app gets a route `GET /metrics` that shows the sum over them, unless
        it has one of its own.

        Args:
            app: the app; nothing of it changes but that route.
            task_rules: URL rules whose POST requests are tasks, each with its task, or "" where `task_of` or `task_is`
                says which; by default only `/predict`.
            recorder: where to record; by default a new one.
            on_counted: is called once for each request, right after it was counted and inside its context.
            task_types: the app's tasks; any other is counted as `unknown`. Not used with a `recorder`.
            task_of: says which task a request is; None if the app will say it by `task_is`.
            outcome_of: says from the response how a task ended; where it gives None, the HTTP status does: under 400
                `success`, under 500 `invalid`, else `error`.
            leave_out: says of a request that arrives whether it is left out: nothing of it is recorded, and
                `on_counted` isn't called for it.
        """
        app.extensions[_EXTENSION] = self
        self._task_rules = {"/predict": ""} if task_rules is None else dict(task_rules)
        self._on_counted = on_counted
        self._task_of = task_of
        self._outcome_of = outcome_of
        self._leave_out = leave_out
        self._logged: set[str] = set()
        self._shown = recorder is None and metrics_directory() is None
        if self._shown:
            _show_on(app)
        self.recorder = recorder or Recorder(tuple(task_types))
        request_started.connect(self._begin, app)
        request_finished.connect(self._finish, app)
        request_tearing_down.connect(self._tear_down, app)
        got_request_exception.connect(self._note_exception, app)

    def task_is(self, task_type: object) -> None:
        """Name the task of the request in flight; an unknown word is counted as `unknown`."""
        self._survive(lambda: self._name(request_in_flight(), task_type))

    def phase(self, phase: str, seconds: float) -> None:
        """Add to a phase of the request in flight; it is recorded when the request is counted.

        Args:
            phase: one of the contract's `PHASES`; others are logged once and not recorded.
            seconds: how long it took; below 0, as by a clock that was set back, it counts as 0.
        """
        if phase not in PHASES:
            self._log_once("a phase was not recorded: %s", ValueError(f"{phase!r} is none of {', '.join(PHASES)}"))
            return
        self._survive(lambda: _add_phase(request_in_flight().phases, phase, seconds))

    def volume(self, tokens: int, truncated: int, batch_tokens: int = 0) -> None:
        """Add to what was computed for the request in flight; it is recorded when the request is counted.

        Args:
            tokens: of its texts, special ones included.
            truncated: texts that were cut.
            batch_tokens: of the computations that held its texts.
        """
        self._survive(lambda: _add_volume(request_in_flight(), tokens, truncated, batch_tokens))

    def _survive(self, measure: Callable[[], None]) -> None:
        """Measure; the log says once that it failed, which costs no client the answer."""
        try:
            measure()
        except Exception as error:  # noqa: BLE001 (whatever it is, the request is worth more than its measure)
            self._log_once("a request was not measured in full: %r", error)

    def _begin(self, sender: Flask) -> None:
        self._survive(self._begun)

    def _begun(self) -> None:
        begun = time.perf_counter()
        request = _request()
        if request.endpoint == _METRICS_ENDPOINT:
            return
        rule = request.url_rule.rule if request.url_rule else ""
        if rule == _METRICS_PATH and self._shown:
            self._shown = False
            _log.warning(
                "the app has a route %s of its own, so the monitor's metrics are not shown there. Start it with "
                "`gunicorn -c python:gte_monitoring.gunicorn_conf`, which serves them on a port of their own.",
                _METRICS_PATH,
            )
        measured = RequestInFlight(begun, rule in self._task_rules and request.method == "POST")
        measured.left_out = bool(self._leave_out and self._call(self._leave_out, request))
        request.environ[_REQUEST_IN_FLIGHT] = measured
        if not measured.is_task:
            return
        if fixed := self._task_rules[rule]:
            self._name(measured, fixed)
        elif self._task_of:
            self._name(measured, self._call(self._task_of, request))

    def _finish(self, sender: Flask, response: Response | None) -> None:
        self._survive(lambda: self._finished(response))

    def _finished(self, response: Response | None) -> None:
        request = _request()
        measured = request.environ.get(_REQUEST_IN_FLIGHT)
        if measured and not measured.done and not measured.left_out:
            outcome = self._call(self._outcome_of, response) if self._outcome_of and response is not None else None
            self._count(request, measured, 500 if response is None else response.status_code, outcome)

    def _tear_down(self, sender: Flask, exc: BaseException | None = None) -> None:
        # Not counted yet: a hook failed, and so did the answer to that. The server answers 500.
        self._finish(sender, None)

    def _count(self, request: Request, measured: RequestInFlight, http_status: int, outcome: Outcome | None) -> None:
        measured.done = True
        seconds = measured.seconds
        http = Http(request.method, request.url_rule.rule if request.url_rule else None, http_status)
        outcome = (outcome or _outcome(http_status, measured.reason)) if measured.is_task else _NO_TASK
        try:
            outcome = self._record(http, seconds, measured, outcome)
        except Exception as error:  # noqa: BLE001 (a new series needs room in a file; the client's answer does not)
            self._log_once("a request was not counted: %s", error)
        finally:
            self._leave(measured)
        if self._on_counted:
            now = datetime.now(UTC)
            finished = FinishedRequest(now, http_status, seconds, outcome.status, outcome.reason, measured)
            self._call(self._on_counted, finished)

    def _record(self, http: Http, seconds: float, measured: RequestInFlight, outcome: Outcome) -> Outcome:
        for phase, part in measured.phases.items():
            self.recorder.phase(phase, part)
        if not measured.is_task:
            self.recorder.http_finished(http, seconds)
            return outcome
        self.recorder.volume(measured.task_type, measured.tokens, measured.truncated)
        return self.recorder.task_finished(http, seconds, measured.task_type, outcome, measured.phases)

    def _call(self, callback: Callable[[_Argument], _Result], about: _Argument) -> _Result | None:
        """The result of a callback of the app, None where it fails: that must not cost a client the answer."""
        try:
            return callback(about)
        except Exception as error:  # noqa: BLE001 (it is the app's code)
            self._log_once(f"{callback!r} failed, so a request is counted as if it were not there: %r", error)
            return None

    def _log_once(self, words: str, error: Exception) -> None:
        if words not in self._logged:
            self._logged.add(words)
            _log.error(words, error, exc_info=error)

    def _name(self, measured: RequestInFlight, task_type: object) -> None:
        self._leave(measured)
        measured.task_type = self.recorder.task_label(task_type)
        if measured.left_out:
            return
        self.recorder.task_started(measured.task_type)
        measured.active = True

    def _leave(self, measured: RequestInFlight) -> None:
        if measured.active:
            self.recorder.task_ended(measured.task_type)
            measured.active = False

    def _note_exception(self, sender: Flask, exception: BaseException) -> None:
        request = _request()
        measured = request.environ.get(_REQUEST_IN_FLIGHT)
        if not measured or not measured.left_out:
            self._survive(lambda: self.recorder.http_exception(request.method))


def request_in_flight() -> RequestInFlight:
    """The record of the request in flight; of one that isn't measured, one that is counted nowhere."""
    environ = _request().environ
    if _REQUEST_IN_FLIGHT not in environ:
        environ[_REQUEST_IN_FLIGHT] = RequestInFlight(time.perf_counter(), is_task=False, left_out=True)
    measured: RequestInFlight = environ[_REQUEST_IN_FLIGHT]
    return measured


def _add_phase(phases: dict[str, float], phase: str, seconds: float) -> None:
    # Not finite, it would make a counter of it that no scrape can add up.
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds} s of the phase {phase}")
    phases[phase] = phases.get(phase, 0.0) + max(0.0, seconds)


def _add_volume(measured: RequestInFlight, tokens: int, truncated: int, batch_tokens: int) -> None:
    if min(tokens, truncated, batch_tokens) < 0:
        raise ValueError(f"{tokens} tokens, {truncated} truncated texts, {batch_tokens} tokens of batches")
    measured.tokens += tokens
    measured.truncated += truncated
    measured.batch_tokens += batch_tokens


def _request() -> Request:
    # Not the proxy: each use of one takes as long as a store in a metric file.
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def has_monitor(app: Flask) -> bool:
    """Whether an app has a monitor."""
    return _EXTENSION in app.extensions


def _outcome(http_status: int, reason: str) -> Outcome:
    if http_status < 400:
        return _SUCCESS
    status, default = ("invalid", "invalid_input") if http_status < 500 else ("error", "internal")
    return Outcome(status, reason or _REASON_OF_STATUS.get(http_status, default))


def _show_on(app: Flask) -> None:
    """Collect the metrics of all workers of this server in one folder, and show them on the app itself."""
    directory = read_monitoring_settings().directory or folder_of_server(app.root_path)
    direct_metrics(directory)
    shown = make_wsgi_app(exposition(directory, alone=False))
    app.add_url_rule(
        _METRICS_RULE, _METRICS_ENDPOINT, lambda _: Response.from_app(shown, request.environ), methods=["GET"]
    )
