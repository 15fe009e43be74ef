"""The small app that is measured, and the ways of measuring it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, jsonify, request

from gte_monitoring.processes.slot_setup import join_metrics, metrics_directory
from gte_monitoring.task_monitor import TaskMonitor

BODY = json.dumps({"task_type": "embedding", "input_text": "张三在北京参加了奥运会"}).encode()
_WAY = "METRICS_BENCHMARK_WAY"
_FOLDER = "METRICS_BENCHMARK_FOLDER"

Install = Callable[[Flask, Path], Callable[[], None]]
"""Makes an app be measured, with files in a folder; returns what its handler calls to have more recorded."""


def _bare(app: Flask, folder: Path) -> Callable[[], None]:
    return lambda: None


def _flask_exporter(app: Flask, folder: Path) -> Callable[[], None]:
    from prometheus_flask_exporter.multiprocess import (  # type: ignore[import-untyped]  # noqa: PLC0415
        GunicornInternalPrometheusMetrics,
    )

    GunicornInternalPrometheusMetrics(app)
    return lambda: None


def _monitor(app: Flask, folder: Path) -> Callable[[], None]:
    _join(folder)
    TaskMonitor(app)
    return lambda: None


def _service(app: Flask, folder: Path) -> Callable[[], None]:
    _join(folder)
    monitor = TaskMonitor(app)

    def record() -> None:
        # As api/measured.py, and as model_holder.py for a request that is computed alone.
        monitor.phase("tokenize", 0.0004)
        monitor.recorder.queue_depth(1)
        monitor.recorder.queue_depth(0)
        monitor.recorder.batch(1, 14, 0.012)
        monitor.phase("queue", 0.0001)
        monitor.phase("inference", 0.012)
        monitor.volume(14, 0, 14)
        monitor.phase("postprocess", 0.0008)

    return record


def _join(folder: Path) -> None:
    if metrics_directory() is None:
        join_metrics(folder)


@dataclass(frozen=True)
class Way:
    """A way of measuring the app.

    Attributes:
        title: what it is, for the table.
        install: makes the app be measured.
        gunicorn: what gunicorn is told besides.
    """

    title: str
    install: Install
    gunicorn: tuple[str, ...] = ()


_OURS = ("-c", "python:gte_monitoring.gunicorn_conf")
WAYS = {
    "bare": Way("no instrumentation", _bare),
    "flask-exporter": Way("prometheus_flask_exporter, multiprocess", _flask_exporter),
    "monitor": Way("TaskMonitor(app)", _monitor, _OURS),
    "service": Way("all that the service records", _service, _OURS),
}


def make_app(way: str, folder: Path) -> Flask:
    """The app, measured in a way; its metric files, if it has any, are in `folder`."""
    app = Flask("measured")
    record = WAYS[way].install(app, folder)

    @app.post("/predict")
    def predict() -> Response:
        body = request.get_json()
        record()
        return jsonify(result=[0.25, 0.5], task_type=body["task_type"])

    return app


def environ_of(way: str, folder: Path) -> dict[str, str]:
    """The environment of a process that is to measure the app in a way."""
    # prometheus_client looks for its own variable when it is imported, which is before anything can be said to it.
    return dict(os.environ) | {_WAY: way, _FOLDER: str(folder), "PROMETHEUS_MULTIPROC_DIR": str(folder)}


def app_of_environment() -> Flask:
    """The app, as `environ_of` has said."""
    return make_app(os.environ[_WAY], Path(os.environ[_FOLDER]))
