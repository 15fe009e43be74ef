"""A request while it is handled, a request that has been counted, and the outcome of a task."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gte_monitoring.contract import UNKNOWN_TASK


class Http(NamedTuple):
    """An HTTP request and the status it was answered with.

    Attributes:
        method: the HTTP method; unusual ones are counted as `other`.
        rule: the URL rule that matched, None where none did.
        status: of the answer.
    """

    method: str
    rule: str | None
    status: int


class Outcome(NamedTuple):
    """How a task ended.

    Attributes:
        status: `success`, `error` or `invalid`.
        reason: one of the contract's reasons, "" for a success.
    """

    status: str
    reason: str = ""


@dataclass(slots=True)
class RequestInFlight:
    """A request that is being handled.

    Attributes:
        begun: `time.perf_counter()` at its arrival.
        is_task: whether it is counted as a task.
        left_out: whether nothing of it is recorded.
        task_type: label value of its task.
        reason: why it has no result, "" while nothing is wrong.
        active: whether it is counted in `gte_active_requests`.
        done: whether it has been counted.
        phases: seconds by phase.
        tokens: tokens computed for it, special ones included.
        truncated: texts of it that were cut.
        batch_tokens: tokens of the computations that held a text of it, those of other requests included.
    """

    begun: float
    is_task: bool
    left_out: bool = False
    task_type: str = UNKNOWN_TASK
    reason: str = ""
    active: bool = False
    done: bool = False
    phases: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    truncated: int = 0
    batch_tokens: int = 0

    @property
    def seconds(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self.begun


@dataclass(frozen=True)
class FinishedRequest:
    """A request at the moment it was counted, with the very values it was counted with.

    Attributes:
        time: when, in UTC.
        http_status: the status it was answered with.
        seconds: from its arrival to its answer.
        status: `success`, `error` or `invalid`; "" for a request that is no task.
        reason: why it has no result, one of the contract's reasons; "" for a success and for a request that is no task.
        measured: what else is known of it.
    """

    time: datetime
    http_status: int
    seconds: float
    status: str
    reason: str
    measured: RequestInFlight
