"""Builds what gunicorn serves: the app of the worker that it is called in, with that worker's model."""

from __future__ import annotations

from flask import Flask

from gte_monitoring.processes.slots import slot_of_this_process
from gte_service.api.app import create_app
from gte_service.probe_secret import read_secret
from gte_service.serving.inference_recorder import InferenceRecorder
from gte_service.serving.logs import configure
from gte_service.serving.model_holder import ModelHolder
from gte_service.settings import read_settings


def make_app() -> Flask:
    """The app of this worker, which must have its slot already.

    Where the prepared model is there, it is loaded before this returns, so that a worker that replaces another takes
    no request that it can't answer.
    """
    configure()
    settings, slot = read_settings(), slot_of_this_process()
    recorder = InferenceRecorder()
    holder = ModelHolder(settings, slot, recorder)
    app = create_app(settings, slot, holder, recorder, read_secret(settings.run_dir))
    holder.start()
    return app
