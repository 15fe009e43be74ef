"""Runs the application under gunicorn: one process, a few threads."""

from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from dashboard_viewer.settings import Settings
from dashboard_viewer.web import create_app


def gunicorn_settings(bind: str) -> dict[str, Any]:
    """Return gunicorn's settings; a name that gunicorn doesn't know makes it refuse to start."""
    return {
        "bind": [bind],
        "workers": 1,
        "worker_class": "gthread",
        # As many queries as a browser sends at once to one host, and a few for files.
        "threads": 8,
        # The heartbeat file on a disk could block, and the root file system is read-only.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108 - gunicorn makes its own private file there
        # On by default, it wants a writable home, which the container has not.
        "control_socket_disable": True,
        # Below the ten seconds that Docker waits before it kills.
        "graceful_timeout": 8,
        "proc_name": "dashboard-viewer",
        "errorlog": "-",
        "loglevel": "info",
    }


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, bind: str) -> None:
        self._settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        for name, value in gunicorn_settings(self._bind).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)


def serve(settings: Settings, bind: str) -> None:
    """Serve on `bind` until SIGTERM; requests in flight are finished."""
    _Server(settings, bind).run()
