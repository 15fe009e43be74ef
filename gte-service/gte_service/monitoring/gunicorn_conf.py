"""gunicorn's configuration that measures an existing Flask app without a change to it.

`gunicorn -c python:gte_service.monitoring.gunicorn_conf app:app`, with any other option of gunicorn's behind it. A
configuration of one's own begins with `from gte_service.monitoring.gunicorn_conf import *` instead; where it has one
of these hooks too, that one calls the one from here.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from flask import Flask

from gte_service.monitoring.census import DEFAULT_PATIENCE_SECONDS, expect_workers, master_is_this_process
from gte_service.monitoring.folders import folder_of_port
from gte_service.monitoring.settings import read_monitoring_settings
from gte_service.monitoring.task_monitor import TaskMonitor, has_monitor
from gte_service.monitoring.worker import direct_metrics, join_metrics

__all__ = ["on_exit", "on_starting", "post_fork", "post_worker_init", "pre_fork"]

# Worker classes whose main loop waits for the app, and so turns only between requests.
_WAITING = ("sync",)
_WRAPPERS = 8

_settings = read_monitoring_settings()
_directory = _settings.directory or folder_of_port(_settings.port)
_directory.mkdir(parents=True, exist_ok=True)
# Before the app is loaded, which with preload_app happens before any hook: its metrics go to that folder too.
direct_metrics(_directory)
_exporters: list[subprocess.Popen[bytes]] = []


def on_starting(server: Any) -> None:
    """Begin the server's life: its workers are expected, and the exporter is started."""
    waits = server.cfg.worker_class_str in _WAITING
    expect_workers(_directory, server.cfg.workers)
    master_is_this_process(_directory, float(server.cfg.timeout) if waits else DEFAULT_PATIENCE_SECONDS)
    _see_to_exporter(server)


def pre_fork(server: Any, worker: Any) -> None:
    """Start the exporter again if it has ended."""
    _see_to_exporter(server)


def post_fork(server: Any, worker: Any) -> None:
    """Give the new worker its slot before it makes its first metric."""
    join_metrics(_directory)


def post_worker_init(worker: Any) -> None:
    """Measure the app, unless it has a monitor of its own."""
    app = worker.wsgi
    for _ in range(_WRAPPERS):
        if isinstance(app, Flask):
            break
        # Middleware keeps what it wraps under one of these names.
        app = getattr(app, "app", None) or getattr(app, "wsgi_app", None)
    if not isinstance(app, Flask):
        worker.log.error(
            "%r is no Flask app and wraps none, so its requests are not counted: add TaskMonitor(app) where the Flask "
            "app is made.", type(worker.wsgi).__name__,
        )  # fmt: skip
    elif not has_monitor(app):
        TaskMonitor(app, dict.fromkeys(_settings.task_rules, ""), task_types=_settings.task_types)


def on_exit(server: Any) -> None:
    """End the exporter with the server."""
    for exporter in _exporters:
        exporter.terminate()


def _see_to_exporter(server: Any) -> None:
    if _exporters and _exporters[-1].poll() is None:
        return
    if _exporters:
        server.log.error("the exporter of the metrics ended with status %s", _exporters[-1].returncode)
    command = [sys.executable, "-m", "gte_service.monitoring", str(_directory), _settings.address, str(_settings.port)]
    _exporters[:] = [subprocess.Popen(command)]
