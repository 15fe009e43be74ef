"""Bounds how long a check may take, and polls within that bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from smoke.errors import CheckError

T = TypeVar("T")

PAUSE_SECONDS = 0.25


class Deadline:
    """A point in time that a check has to be done by."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, 0 when the time is up."""
        return max(0.0, self._end - time.monotonic())

    def until(self, attempt: Callable[[], T]) -> T:
        """Tries again until `attempt` raises no CheckError.

        Raises:
            CheckError: the failure of the last attempt before the time was up.
        """
        while True:
            try:
                return attempt()
            except CheckError:
                if self.remaining() <= PAUSE_SECONDS:
                    raise
            time.sleep(PAUSE_SECONDS)
