"""Builds the Flask app of a worker."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from gte_monitoring.task_monitor import TaskMonitor
from gte_service.api import cross_origin, errors, headers, keys, openai_api, openapi, page, predict, probes
from gte_service.api.access_log import AccessLog
from gte_service.api.json_provider import ReadableJson
from gte_service.serving.inference_recorder import InferenceRecorder
from gte_service.serving.model_holder import ModelHolder
from gte_service.settings import Settings


def create_app(settings: Settings, slot: int) -> Flask:
    """The app of the worker in a slot; begins to load the model.

    Where the prepared model is there already, it is loaded before this returns, so that a worker that replaces
    another takes no request it can't answer.
    """
    app = Flask(__name__, root_path=str(Path(__file__).parent))
    app.json = ReadableJson(app)
    # A redirect from //predict to /predict would be followed without the body.
    app.url_map.merge_slashes = False
    recorder = InferenceRecorder()
    holder = ModelHolder(settings, slot, recorder)
    log = AccessLog(slot, lambda: holder.revision)
    tasks = {"/predict": "", openai_api.EMBEDDINGS: "embedding"}
    # The routes read the body themselves, more strictly than a monitor would, and then say which task it is.
    monitor = TaskMonitor(app, tasks, recorder, log.write, task_of=None)
    headers.install(app)
    errors.install(app)
    cross_origin.install(app, settings.cors_origins)
    keys.install(app, settings.api_keys)
    app.register_blueprint(predict.blueprint(settings, holder, monitor))
    app.register_blueprint(openai_api.blueprint(settings, holder, monitor))
    app.register_blueprint(openapi.blueprint(settings, holder))
    app.register_blueprint(probes.blueprint(settings))
    app.register_blueprint(page.blueprint(settings))
    holder.start()
    return app
