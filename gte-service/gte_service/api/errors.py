"""Turns every error into one JSON shape: {"error": {"code", "message", "field", "request_id"}}."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from gte_service.api.headers import request_id
from gte_service.errors import RequestError, TooLarge
from gte_service.monitoring.task_monitor import current

RETRY_AFTER_SECONDS = 5
_log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Answer all errors of `app` in that shape."""
    app.register_error_handler(RequestError, _request_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _request_error(error: RequestError) -> Response:
    current().reason = error.reason
    response = _shape(error.status, error.reason, str(error), error.field)
    if error.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        return _request_error(TooLarge("the body is too long for one request. Send several shorter ones."))
    code = (error.name or "error").lower().replace(" ", "_")
    response = _shape(error.code or 500, code, error.description or "", None)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    _log.exception("request %s failed", request_id())
    current().reason = "internal"
    return _shape(500, "internal", "the service failed at this request; its log says why.", None)


def _shape(status: int, code: str, message: str, field: str | None) -> Response:
    response = jsonify(error={"code": code, "message": message, "field": field, "request_id": request_id()})
    response.status_code = status
    return response
