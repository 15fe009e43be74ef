"""Hands what the engine tells of its work on to the monitor of the request in hand."""

from __future__ import annotations

from gte_monitoring.task_monitor import TaskMonitor, current
from gte_service.engine.encoder import Encoded


def record(monitor: TaskMonitor, encoded: Encoded) -> Encoded:
    """Record the time and the volume of one encoding; returns it."""
    monitor.phase("tokenize", encoded.tokenize_seconds)
    monitor.phase("queue", encoded.queue_seconds)
    monitor.phase("inference", encoded.inference_seconds)
    monitor.volume(encoded.tokens, encoded.truncated, encoded.batch_tokens)
    return encoded


def record_rest(monitor: TaskMonitor) -> None:
    """Record as `postprocess` all the time of the request in hand that has gone into nothing else."""
    measured = current()
    monitor.phase("postprocess", max(0.0, measured.seconds - sum(measured.phases.values())))
