"""Turns every error into one JSON shape: {"error": {"code", "message", "field", "request_id"}}."""

from __future__ import annotations

import logging
import re

from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from gte_service.api.headers import request_id
from gte_service.api.request_record import request_in_flight
from gte_service.errors import RequestError

RETRY_AFTER_SECONDS = 5
_CONVERTER = re.compile(r"<\w+:")
_IMPLIED_METHODS = frozenset({"HEAD", "OPTIONS"})
_log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Answer every error of `app` in this shape."""
    app.register_error_handler(RequestError, _request_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _request_error(error: RequestError) -> Response:
    request_in_flight().reason = error.reason
    response = _shape(error.status, error.code, str(error), error.field)
    if error.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_error(error: HTTPException) -> Response:
    code = (error.name or "error").lower().replace(" ", "_")
    response = _shape(error.code or 500, code, _message(error), None)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _message(error: HTTPException) -> str:
    path = request.path[:80]
    if isinstance(error, NotFound):
        return f"there is nothing at {path}. The addresses of this service are: {', '.join(addresses(current_app))}."
    if isinstance(error, MethodNotAllowed):
        methods = " or ".join(sorted(set(error.valid_methods or ()) - _IMPLIED_METHODS))
        return f"{request.method[:20]} is not allowed for {path}. Use {methods}."
    return error.description or ""


def addresses(app: Flask) -> list[str]:
    """The methods and paths of `app`, without the static files of its page."""
    return [
        f"{method} {_CONVERTER.sub('<', rule.rule)}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in sorted((rule.methods or set()) - _IMPLIED_METHODS)
    ]


def _unexpected(error: Exception) -> Response:
    _log.exception("request %s failed", request_id())
    request_in_flight().reason = "internal"
    return _shape(
        500,
        "internal",
        "the service failed at this request; its log has the reason, under the request id.",
        None,
    )


def _shape(status: int, code: str, message: str, field: str | None) -> Response:
    response = jsonify(error={"code": code, "message": message, "field": field, "request_id": request_id()})
    response.status_code = status
    return response
