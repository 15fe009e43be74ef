"""Runs the application under gunicorn: one process, a few threads."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from alert_inbox.settings import Settings
from alert_inbox.web import MAX_BODY, create_app
from gte_monitoring.clients.patient_worker import PatientWorker, most_connections


def gunicorn_settings(*bind: str) -> dict[str, Any]:
    """Return gunicorn's settings; a name that gunicorn doesn't know makes it refuse to start."""
    return {
        "bind": [*bind],
        # One process: the database has one writer anyway, and the metrics need not be merged.
        "workers": 1,
        "worker_class": _Worker,
        "threads": 4,
        # Alertmanager has a connection for each group that it tells at once; beyond this number all others wait.
        "worker_connections": most_connections(),
        # The heartbeat file on a disk could block, and the root file system is read-only.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108 - gunicorn makes its own private file there
        # On by default, it wants a writable home, which the container has not.
        "control_socket_disable": True,
        # Below the ten seconds that Docker waits before it kills.
        "graceful_timeout": 8,
        "proc_name": "alert-inbox",
        "errorlog": "-",
        "loglevel": "info",
    }


class _Threads(ThreadPoolExecutor):
    """Runs what Alertmanager posts on threads of its own: a thousand notifications then delay nobody who only reads."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._posts = ThreadPoolExecutor(threads)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run gunicorn's handler of a connection."""
        if args[0].sock.begins_with(b"POST "):
            return self._posts.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further requests."""
        self._posts.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class _Worker(PatientWorker):
    longest_body = MAX_BODY

    def get_thread_pool(self) -> ThreadPoolExecutor:
        return _Threads(self.cfg.threads)

    def thread_is_free(self) -> bool:
        """Let notifications wait for their threads here, so that no reader waits behind them."""
        return True


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, bind: str, inside: str) -> None:
        self._settings = settings
        self._bind = bind
        self._inside = inside
        super().__init__()

    def load_config(self) -> None:
        for name, value in gunicorn_settings(self._bind, self._inside).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        # Called in the worker: an SQLite connection must not cross a fork.
        return create_app(self._settings, inside_port=self._inside.rpartition(":")[2])


def serve(settings: Settings, bind: str, inside: str) -> None:
    """Serve on both addresses until SIGTERM; requests in flight are finished.

    Args:
        settings: of the inbox.
        bind: address and port for everybody; posting there may need a token.
        inside: address and port for the Alertmanager beside the inbox, which nobody else can reach.
    """
    _Server(settings, bind, inside).run()
