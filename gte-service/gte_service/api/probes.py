"""GET /healthz and /readyz: whether the process is alive, and whether it can answer."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from gte_service.api.errors import RETRY_AFTER_SECONDS
from gte_service.api.served_model import ServedModel
from gte_service.settings import Settings


def blueprint(settings: Settings, served: ServedModel) -> Blueprint:
    """The two routes."""
    routes = Blueprint("probes", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @routes.get("/readyz")
    def readyz() -> Response:
        readiness = served.readiness()
        response = jsonify(
            status=readiness.state,
            detail=readiness.detail,
            model=settings.model_name,
            revision=readiness.model.revision,
            demo=settings.is_demo,
            workers_ready=sum(worker.state == "ready" for worker in readiness.workers),
            downloaded_bytes=readiness.model.downloaded_bytes,
            total_bytes=readiness.model.total_bytes,
        )
        response.headers["Cache-Control"] = "no-store"
        if not readiness.ready:
            response.status_code = 503
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    return routes
