"""Metrics of a text service, exact over several gunicorn workers.

Knows nothing of models or tasks: task types come in as words, so any Flask app can use it. `TaskMonitor(app)` is all
that an app needs; `gunicorn -c python:gte_monitoring.gunicorn_conf` needs no change to it at all.
"""

from gte_monitoring.recording.recorder import Outcome, Recorder
from gte_monitoring.task_monitor import FinishedRequest, RequestInFlight, TaskMonitor, request_in_flight

__all__ = ["FinishedRequest", "Outcome", "Recorder", "RequestInFlight", "TaskMonitor", "request_in_flight"]
