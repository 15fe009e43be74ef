"""Records, in the monitor's request, what its model computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gte_monitoring import FinishedRequest, TaskMonitor, request_in_flight
from gte_service.tasks.model import Model

__all__ = ["FinishedRequest", "recorded", "request_in_flight"]


@contextmanager
def recorded(monitor: TaskMonitor, model: Model) -> Iterator[None]:
    """Answer a request with a model in the block, and record what the model computed, also where the block raises.

    The rest of the time of an answered request is its phase `postprocess`.
    """
    try:
        yield
        rest = request_in_flight().seconds - sum(model.phases.values())
        monitor.phase("postprocess", max(0.0, rest))
    finally:
        for phase, seconds in model.phases.items():
            monitor.phase(phase, seconds)
        monitor.volume(model.tokens, model.truncated, model.batch_tokens)
