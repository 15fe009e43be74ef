"""What gunicorn serves: the app of the worker it is called in."""

from __future__ import annotations

from flask import Flask

from gte_monitoring.processes.slots import slot_of_this_process
from gte_service.api.app import create_app
from gte_service.serving.logs import configure
from gte_service.settings import read_settings


def make_app() -> Flask:
    """The app of this worker, which has taken a slot before."""
    configure()
    return create_app(read_settings(), slot_of_this_process())
