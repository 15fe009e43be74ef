"""Prometheus metrics of a Flask app, by task, exact over several gunicorn workers.

Knows nothing of models, and an app names its tasks: `TaskMonitor(app)` is all that an app needs;
`gunicorn -c python:gte_monitoring.gunicorn_conf` needs no change to it at all.

Rooms and their one-way doors: `exposition` (what the exporter reads and shows) → `recording` (what a worker writes) →
`processes` (slots, starts, heartbeats, backlog).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gte_monitoring.recording.recorder import Recorder
    from gte_monitoring.recording.requests import FinishedRequest, Outcome, RequestInFlight
    from gte_monitoring.task_monitor import TaskMonitor, request_in_flight

# Imported when they are asked for, so that `gte_monitoring.contract` needs neither Flask nor prometheus_client.
_HOMES = {
    "FinishedRequest": "recording.requests",
    "Outcome": "recording.requests",
    "Recorder": "recording.recorder",
    "RequestInFlight": "recording.requests",
    "TaskMonitor": "task_monitor",
    "request_in_flight": "task_monitor",
}
__all__ = ["FinishedRequest", "Outcome", "Recorder", "RequestInFlight", "TaskMonitor", "request_in_flight"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
