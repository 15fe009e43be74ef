"""The requests that a worker records: some of each task, or every kind that there can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gte_monitoring.contract import (
    FLASK_BOUNDS,
    LATENCY_BOUNDS,
    PHASES,
    TASK_TYPES,
    UNKNOWN_TASK,
)
from gte_monitoring.recording.recorder import Http, Outcome, Recorder
from gte_service.errors import RequestError

_SUCCESS = Outcome("success")
_PATHS = ("/", "/healthz", "/readyz", "/openapi.json", "/v1/models", "/static/<path:filename>", None)
_BEYOND_ALL = 60.0
SPANS = sorted({*LATENCY_BOUNDS, *FLASK_BOUNDS, _BEYOND_ALL})
"""Seconds, one for each span of latency that is counted apart."""


class Kind(NamedTuple):
    """A request as it is recorded; one without a task is plain HTTP."""

    http: Http
    seconds: float
    task_type: str = ""
    outcome: Outcome = _SUCCESS


def few() -> Iterator[Kind]:
    """One success of each task, some that had none, and a probe."""
    for task in TASK_TYPES:
        yield Kind(Http("POST", "/predict", 200), 0.012, task)
    yield Kind(Http("POST", "/predict", 400), 0.002, "qa", Outcome("invalid", "invalid_input"))
    yield Kind(Http("POST", "/predict", 503), 0.3, "ner", Outcome("error", "overloaded"))
    yield Kind(Http("GET", "/healthz", 200), 0.001)


def everything() -> Iterator[Kind]:
    """Each task with each outcome that the service knows, and its other paths, all as fast and as slow as can be."""
    for seconds in SPANS:
        for task in (*TASK_TYPES, UNKNOWN_TASK):
            yield Kind(Http("POST", "/predict", 200), seconds, task)
            for status, reason in sorted(_failures(RequestError)):
                outcome = Outcome("invalid" if status < 500 else "error", reason)
                yield Kind(Http("POST", "/predict", status), seconds, task, outcome)
        for path in _PATHS:
            for status in (200, 404):
                yield Kind(Http("GET", path, status), seconds)


KINDS = {"few": few, "everything": everything}


def record(recorder: Recorder, kind: Kind) -> None:
    """Record a request with all that belongs to it."""
    if not kind.task_type:
        recorder.http_finished(kind.http, kind.seconds)
        return
    recorder.task_started(kind.task_type)
    for phase in PHASES:
        recorder.phase(phase, kind.seconds / len(PHASES))
    recorder.volume(kind.task_type, 14, 1)
    recorder.batch(1, 14, kind.seconds)
    recorder.task_finished(kind.http, kind.seconds, kind.task_type, kind.outcome)
    recorder.task_ended(kind.task_type)


def _failures(error: type[RequestError]) -> set[tuple[int, str]]:
    found = {(error.status, error.reason)}
    for finer in error.__subclasses__():
        found |= _failures(finer)
    return found
