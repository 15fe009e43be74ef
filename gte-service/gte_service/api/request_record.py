"""Records, in the monitor's request, what its model computed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gte_monitoring import FinishedRequest, TaskMonitor, request_in_flight
from gte_service.tasks.model import Model

__all__ = ["FinishedRequest", "recorded", "request_in_flight"]


@contextmanager
def recorded(monitor: TaskMonitor, model: Model) -> Iterator[None]:
    """Answer a request with a model in the block, and record what the model computed, also where the block raises.

    The rest of the block's time is the phase `postprocess` of an answered request. The time in which its body arrives
    is in no phase.
    """
    begun = time.perf_counter()
    try:
        yield
        monitor.phase("postprocess", max(0.0, time.perf_counter() - begun - sum(model.phases.values())))
    finally:
        for phase, seconds in model.phases.items():
            monitor.phase(phase, seconds)
        monitor.volume(model.tokens, model.truncated, model.batch_tokens)
