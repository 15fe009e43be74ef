"""gunicorn's configuration. Every lower-case name here is a setting of gunicorn; it ignores unknown ones silently."""

from __future__ import annotations

from typing import Any

from gte_monitoring.clients.patient_worker import most_connections
from gte_monitoring.processes.worker_starts import master_is_this_process
from gte_monitoring.recording.slot_setup import join_metrics
from gte_service.settings import read_settings
from gte_service.tasks.spans.segmenter import load_dictionary

_settings = read_settings()

bind = f"0.0.0.0:{_settings.port}"
workers = _settings.workers
threads = _settings.threads
worker_class = "gte_service.serving.draining_worker.DrainingThreadWorker"
# Those that wait for their client need no thread; the oldest of them give way when there are more.
worker_connections = most_connections()
# The model is loaded after the fork: torch's threads don't survive one.
preload_app = False
max_requests = _settings.max_requests
max_requests_jitter = _settings.max_requests // 10
# Seconds; Compose waits longer, so that the requests in flight can end before the container is killed.
graceful_timeout = _settings.stop_seconds
timeout = 60
keepalive = 15
# The heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm"  # noqa: S108
# It would want a writable home, and nothing here uses it.
control_socket_disable = True
accesslog = None
errorlog = "-"
loglevel = "warning"


def on_starting(server: Any) -> None:
    """Record this process as the master; load the segmenter's dictionary before the fork, so that workers share it."""
    master_is_this_process(_settings.metrics_dir)
    load_dictionary()


def post_fork(server: Any, worker: Any) -> None:
    """Give the new worker its slot before it makes its first metric."""
    join_metrics(_settings.metrics_dir)
    worker.request_seconds = float(_settings.deadline_seconds)
    worker.longest_body = _settings.max_body_bytes


def post_worker_init(worker: Any) -> None:
    """Measure the clients that the worker waits for, by the recorder of its app."""
    worker.record_clients = worker.app.wsgi().extensions["task_monitor"].recorder.clients
