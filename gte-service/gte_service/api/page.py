"""GET /: a page that names the model and its state, and shows how to ask."""

from __future__ import annotations

import json

from flask import Blueprint, Response, make_response, render_template, request

from gte_service.settings import Settings
from gte_service.status import read_readiness
from gte_service.tasks.registry import TASKS

_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # noqa: E501


def blueprint(settings: Settings) -> Blueprint:
    """The page; its script and style come from /static."""
    routes = Blueprint("page", __name__)

    @routes.get("/")
    def page() -> Response:
        language = "zh" if request.accept_languages.best_match(["en", "zh"], default="en") == "zh" else "en"
        readiness = read_readiness(settings.run_dir)
        response = make_response(
            render_template(
                "page.html",
                language=language,
                settings=settings,
                readiness=readiness,
                examples={name: json.dumps(task.example, ensure_ascii=False) for name, task in TASKS.items()},
            )
        )
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes
