"""Forked workers that record requests and are replaced, as under gunicorn's master; without HTTP."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from gte_monitoring import Outcome
from gte_monitoring.contract import FLASK_BOUNDS, LATENCY_BOUNDS, PHASES, UNKNOWN_TASK
from gte_monitoring.processes.worker_starts import expect_workers
from gte_monitoring.recording.requests import Http
from gte_monitoring.recording.slot_setup import join_metrics
from gte_service.contract import TASK_TYPES
from gte_service.errors import RequestError
from gte_service.serving.inference_recorder import InferenceRecorder
from tools.bench_metrics.processes import Child

WORKERS = 4
_PATHS = ("/", "/healthz", "/readyz", "/openapi.json", "/v1/models", "/static/<path:filename>", None)
_BEYOND_ALL_BOUNDS = 60.0


class Finished(NamedTuple):
    """A request as it is recorded; one without a task is plain HTTP."""

    http: Http
    seconds: float
    task_type: str = ""
    outcome: Outcome = Outcome("success")


def few() -> list[Finished]:
    """A success of each task, two failures, and a probe."""
    return [
        *(Finished(Http("POST", "/predict", 200), 0.012, task) for task in TASK_TYPES),
        Finished(Http("POST", "/predict", 400), 0.002, "qa", Outcome("invalid", "invalid_input")),
        Finished(Http("POST", "/predict", 503), 0.3, "ner", Outcome("error", "overloaded")),
        Finished(Http("GET", "/healthz", 200), 0.001),
    ]


def everything() -> list[Finished]:
    """Each task with each outcome that the service knows, and its other paths, in each bucket of latency."""
    outcomes = [(200, Outcome("success"))]
    for status, reason in _failures(RequestError):
        outcomes.append((status, Outcome("invalid" if status < 500 else "error", reason)))
    latencies = sorted({*LATENCY_BOUNDS, *FLASK_BOUNDS, _BEYOND_ALL_BOUNDS})
    tasks = product(latencies, (*TASK_TYPES, UNKNOWN_TASK), outcomes)
    return [
        *(
            Finished(Http("POST", "/predict", status), seconds, task, outcome)
            for seconds, task, (status, outcome) in tasks
        ),
        *(Finished(Http("GET", path, code), seconds) for seconds, path, code in product(latencies, _PATHS, (200, 404))),
    ]


@contextmanager
def workers(files: Path, requests: Sequence[Finished], *, slots: bool = True) -> Iterator[Callable[[int], None]]:
    """Four workers that have recorded; yields the function that replaces so many, ended and killed in turn.

    Args:
        files: the folder for metric files.
        requests: what each worker records at its start.
        slots: whether they write gte_monitoring's files, else prometheus_client's own, some for each process id.
    """
    if slots:
        expect_workers(files, WORKERS)
    living = deque(Child(_recorded, files, requests, slots) for _ in range(WORKERS))

    def restart(restarts: int) -> None:
        for number in range(restarts):
            # The oldest: it had the time to record while the others began.
            living[0].wait()
            worker = living.popleft()
            worker.end(kill=bool(number % 2))
            if not slots:
                # As prometheus_client's documents ask of gunicorn's child_exit hook.
                mark_process_dead(worker.process.pid, str(files))  # type: ignore[no-untyped-call]
            living.append(Child(_recorded, files, requests, slots))
        for worker in living:
            worker.wait()

    try:
        restart(0)
        yield restart
    finally:
        for worker in living:
            worker.end(kill=True)


def _recorded(files: Path, requests: Sequence[Finished], slots: bool) -> Callable[[object], None]:
    """In a worker: make the metrics and record the requests."""
    if slots:
        join_metrics(files)
    else:
        write_pid_files(files)
    recorder = InferenceRecorder()
    for http, seconds, task_type, outcome in requests:
        if not task_type:
            recorder.http_finished(http, seconds)
            continue
        recorder.task_started(task_type)
        phases = dict.fromkeys(PHASES, seconds / len(PHASES))
        for phase, part in phases.items():
            recorder.phase(phase, part)
        recorder.volume(task_type, 14, 1)
        recorder.task_finished(http, seconds, task_type, outcome, phases)
        recorder.task_ended(task_type)
    return lambda _: None


def write_pid_files(files: Path) -> None:
    """Have prometheus_client write its own files, as it decides at its import when the folder is known by then."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(files)
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def _failures(error: type[RequestError]) -> set[tuple[int, str]]:
    return {(error.status, error.reason)}.union(*map(_failures, error.__subclasses__()))
