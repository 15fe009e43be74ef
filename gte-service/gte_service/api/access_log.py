"""One JSON line for each request on standard output, with the values it was counted with.

Log lines summed by task, status and reason equal the counters. No line contains a text or a key.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from typing import Any

from flask import request

from gte_monitoring.contract import PHASES
from gte_service.api.headers import request_id
from gte_service.api.request_record import FinishedRequest

# Probes and the page's files are frequent and would bury the other lines.
_SILENT_PATHS = frozenset({"/healthz", "/readyz"})
_SILENT_FOLDER = "/static/"
# A line must fit into one atomic write to a pipe (4,096 bytes), whatever a client sends.
_LONGEST_PATH = 200
_LONGEST_METHOD = 20
_STANDARD_OUTPUT = 1
_log = logging.getLogger(__name__)


class AccessLog:
    """Writes the lines of one worker."""

    def __init__(self, slot: int, revision: Callable[[], str], file: int = _STANDARD_OUTPUT) -> None:
        """Write to a file descriptor.

        Args:
            slot: the worker's.
            revision: gives the loaded model's revision, "" while none is loaded.
            file: the descriptor.
        """
        self._slot = slot
        self._revision = revision
        self._file = file
        self._failed = False

    def write(self, counted: FinishedRequest) -> None:
        """Write the line of the current request; the monitor calls this as `on_counted`."""
        if request.path in _SILENT_PATHS or request.path.startswith(_SILENT_FOLDER):
            return
        line: dict[str, Any] = {
            "time": counted.time.isoformat(timespec="microseconds"),
            "request_id": request_id(),
            "method": request.method[:_LONGEST_METHOD],
            "path": request.path[:_LONGEST_PATH],
        }
        if counted.measured.is_task:
            line |= {
                "task_type": counted.measured.task_type,
                "status": counted.status,
                "reason": counted.reason or None,
            }
        line |= {"http_status": counted.http_status, "latency_ms": _milliseconds(counted.seconds)}
        if counted.measured.is_task:
            line |= {f"{phase}_ms": _milliseconds(counted.measured.phases.get(phase)) for phase in PHASES}
            line |= {
                "tokens": counted.measured.tokens,
                "batch_share": _share(counted.measured.tokens, counted.measured.batch_tokens),
                "revision": self._revision(),
            }
        self._put(json.dumps(line | {"worker": self._slot}))

    def _put(self, line: str) -> None:
        try:
            # One call for the line: other threads and workers can't write in between.
            os.write(self._file, line.encode() + b"\n")
        except OSError as error:
            # The log's reader has gone; the client must get its answer all the same.
            if not self._failed:
                _log.error("the access log can't be written (%s): requests are counted but not logged.", error)
            self._failed = True
        else:
            self._failed = False


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def _share(tokens: int, batch_tokens: int) -> float | None:
    return round(tokens / batch_tokens, 4) if batch_tokens else None
