"""One JSON line for each request, and the id that a request carries through answers and logs."""

from __future__ import annotations

import json
import re
import sys
import uuid
from datetime import UTC, datetime

from flask import Flask, Response, g, request

from gte_service.monitoring.task_monitor import current

_HEADER = "X-Request-ID"
_ALLOWED_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# Probes come every few seconds and would bury the rest.
_SILENT_PATHS = frozenset({"/healthz", "/readyz"})


def install(app: Flask) -> None:
    """Log every request of `app` but the probes, and give each an id."""
    app.after_request(_log_request)


def request_id() -> str:
    """The id of the request in hand: the client's own if it is harmless, otherwise a new one."""
    if "request_id" not in g:
        sent = request.headers.get(_HEADER, "")
        g.request_id = sent if _ALLOWED_ID.fullmatch(sent) else uuid.uuid4().hex
    identity: str = g.request_id
    return identity


def _log_request(response: Response) -> Response:
    response.headers[_HEADER] = request_id()
    if request.path not in _SILENT_PATHS:
        measured = current()
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": request_id(),
            "method": request.method,
            "path": request.path[:200],
            "http_status": response.status_code,
            "ms": round(1000 * measured.seconds, 1),
        }
        if measured.is_task:
            line |= {"task_type": measured.task_type, "reason": measured.reason}
            line |= {f"{phase}_ms": round(1000 * seconds, 1) for phase, seconds in measured.phases.items()}
        # One write, so that lines of several threads and workers don't mix.
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return response
