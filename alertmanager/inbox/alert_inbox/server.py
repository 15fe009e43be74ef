"""Runs the application under gunicorn: one process, a few threads."""

import resource
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

from alert_inbox.settings import Settings
from alert_inbox.web import create_app

_FILES: Final = 8192


def _connections() -> int:
    """Return how many connections may be open at once, and let the process have as many files, and more for itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files // 2


def gunicorn_settings(*bind: str) -> dict[str, Any]:
    """Return gunicorn's settings; a name that gunicorn doesn't know makes it refuse to start."""
    return {
        "bind": [*bind],
        # One process: the database has one writer anyway, and the metrics need not be merged.
        "workers": 1,
        "worker_class": _Worker,
        "threads": 4,
        # Alertmanager has a connection for each group that it tells at once; beyond this number all others wait.
        "worker_connections": _connections(),
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
        if _begin(args[0]) == b"POST ":
            return self._posts.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further requests."""
        self._posts.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class _Worker(ThreadWorker):  # type: ignore[misc]
    def get_thread_pool(self) -> ThreadPoolExecutor:
        return _Threads(self.cfg.threads)

    def enqueue_req(self, conn: TConn) -> None:
        """Let a connection that has not said yet what it wants wait here, and not on a thread for readers."""
        if conn.initialized or conn.data_ready or _begin(conn):
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + DEFAULT_WORKER_DATA_TIMEOUT
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))


def _begin(conn: TConn) -> bytes:
    """Return the first bytes of a request, as far as they have come."""
    try:
        begin: bytes = conn.sock.recv(5, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""
    return begin


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
