"""Builds the Flask app of a worker."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Request

from gte_monitoring import Recorder, TaskMonitor
from gte_service.api import cross_origin, errors, headers, keys, openai_api, openapi, page, predict, probes
from gte_service.api.access_log import AccessLog
from gte_service.api.json_provider import ReadableJson
from gte_service.api.served_model import ServedModel
from gte_service.probe_secret import HEADER, is_secret
from gte_service.settings import Settings


def create_app(settings: Settings, slot: int, served: ServedModel, recorder: Recorder, probe_secret: str) -> Flask:
    """The app of the worker in a slot.

    Args:
        settings: the service's.
        slot: the worker's, for the access log.
        served: the worker's model, loaded or not.
        recorder: where requests are counted.
        probe_secret: marks the questions that the service asks itself, which need no key and are not counted; "" where
            it asks none.
    """

    def is_own_question(request: Request) -> bool:
        return is_secret(request.headers.get(HEADER, ""), probe_secret)

    app = Flask(__name__, root_path=str(Path(__file__).parent))
    app.json = ReadableJson(app)
    # A redirect from //predict to /predict would be followed without the body.
    app.url_map.merge_slashes = False
    log = AccessLog(slot, lambda: served.revision)
    task_rules = {"/predict": "", openai_api.EMBEDDINGS: "embedding"}
    # The route reads the body itself, more strictly than the monitor would, and then names the task.
    monitor = TaskMonitor(app, task_rules, recorder, log.write, task_of=None, leave_out=is_own_question)
    headers.install(app)
    errors.install(app)
    cross_origin.install(app, settings.cors_origins)
    keys.install(app, settings.api_keys, is_own_question)
    app.register_blueprint(predict.blueprint(settings, served, monitor))
    app.register_blueprint(openai_api.blueprint(settings, served, monitor))
    app.register_blueprint(openapi.blueprint(settings, served))
    app.register_blueprint(probes.blueprint(settings, served))
    app.register_blueprint(page.blueprint(settings, served))
    return app
