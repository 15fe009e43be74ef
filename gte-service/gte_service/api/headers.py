"""The headers of every answer: the request's id, its task, and the time of its phases."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, request

from gte_monitoring.contract import PHASES
from gte_service.api.request_record import request_in_flight

REQUEST_ID = "X-Request-ID"
SERVER_TIMING = "Server-Timing"
# For the log of a proxy, which reads no bodies: the value of the label `task_type`, never a client's own word.
TASK_TYPE = "X-Task-Type"
_ALLOWED = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def install(app: Flask) -> None:
    """Add the headers to every answer of `app`."""
    app.after_request(_add)


def request_id() -> str:
    """The current request's id: the client's own if it has only allowed characters, otherwise a new one."""
    if "request_id" not in g:
        sent = request.headers.get(REQUEST_ID, "")
        g.request_id = sent if _ALLOWED.fullmatch(sent) else uuid.uuid4().hex
    identity: str = g.request_id
    return identity


def _add(response: Response) -> Response:
    response.headers[REQUEST_ID] = request_id()
    measured = request_in_flight()
    if measured.is_task:
        response.headers[TASK_TYPE] = measured.task_type
    phases = measured.phases
    if phases:
        parts = [f"{phase};dur={1000 * phases[phase]:.2f}" for phase in PHASES if phase in phases]
        response.headers[SERVER_TIMING] = ", ".join(parts)
    return response
