"""gunicorn's configuration that measures an existing Flask app without a change to it.

`gunicorn -c python:gte_monitoring.gunicorn_conf app:app` takes any other option of gunicorn too. A configuration file
of an app's own begins with `from gte_monitoring.gunicorn_conf import *` instead; a hook of that file that is defined
here too calls the one from here.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from flask import Flask

from gte_monitoring.private_parts import call_every_second, worker_class_name
from gte_monitoring.processes.folders import folder_of_port
from gte_monitoring.processes.worker_starts import DEFAULT_PATIENCE_SECONDS, expect_workers, master_is_this_process
from gte_monitoring.recording.slot_setup import direct_metrics, join_metrics
from gte_monitoring.settings import read_monitoring_settings
from gte_monitoring.task_monitor import TaskMonitor, has_monitor

__all__ = ["on_exit", "on_starting", "post_fork", "post_worker_init"]

# Worker classes whose main loop waits for the app, and so runs only between requests.
_WAITING = ("sync",)
# Names under which middleware keeps the app that it wraps, and a method its object.
_WRAPPED = ("app", "wsgi_app", "application", "_app", "__self__")
_WRAPPERS = 16
# An exporter that fails at once is not started again in quick succession.
_PAUSE_SECONDS = 3.0

_settings = read_monitoring_settings()
_directory = _settings.directory or folder_of_port(_settings.port)
# Where it can't be made, the workers say so and go on without it.
with suppress(OSError):
    _directory.mkdir(parents=True, exist_ok=True)
# Before the app is loaded, which with preload_app happens before any hook: its metrics go to that folder too.
direct_metrics(_directory)


class _Exporter:
    """The process that serves the metrics; another is started when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def ensure_running(self, server: Any) -> None:
        """Start it, or start it again."""
        now, again = time.monotonic(), self._process is not None
        if self._process and (self._process.poll() is None or now - self._started < _PAUSE_SECONDS):
            return
        command = [sys.executable, "-m", "gte_monitoring", str(_directory), _settings.address]
        # Only a server that begins takes the place of another's, for example of one that was killed.
        command += [str(_settings.port), *(["--wait"] if again else [])]
        if again:
            server.log.error("the exporter of the metrics has ended, another is started")
        self._process, self._started = subprocess.Popen(command), now

    def end(self) -> None:
        """Tell it to stop."""
        if self._process:
            self._process.terminate()


_exporter = _Exporter()


def on_starting(server: Any) -> None:
    """Begin the server's life: its workers are expected, and the exporter is started."""
    waits = worker_class_name(server) in _WAITING
    expect_workers(_directory, server.cfg.workers)
    master_is_this_process(_directory, float(server.cfg.timeout) if waits else DEFAULT_PATIENCE_SECONDS)
    _exporter.ensure_running(server)
    call_every_second(server, lambda: _exporter.ensure_running(server))


def post_fork(server: Any, worker: Any) -> None:
    """Give the new worker its slot before it makes its first metric."""
    join_metrics(_directory)


def post_worker_init(worker: Any) -> None:
    """Measure the app, unless it has a monitor of its own."""
    app = _flask_in(worker.wsgi)
    if app is None:
        worker.log.error(
            "%r is no Flask app and wraps none, so its requests are not counted: add TaskMonitor(app) where the Flask "
            "app is made.", type(worker.wsgi).__name__,
        )  # fmt: skip
    elif not has_monitor(app):
        TaskMonitor(app, dict.fromkeys(_settings.task_rules, ""), task_types=_settings.task_types)


def on_exit(server: Any) -> None:
    """End the exporter with the server."""
    _exporter.end()


def _flask_in(app: object) -> Flask | None:
    """The Flask app that this is, or that this wraps."""
    for _ in range(_WRAPPERS):
        if isinstance(app, Flask):
            return app
        app = next((inner for name in _WRAPPED if (inner := getattr(app, name, None)) is not None), None)
    return None
