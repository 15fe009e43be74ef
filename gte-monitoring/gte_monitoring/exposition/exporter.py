"""Serves /metrics from a process of its own, so that a hung or dead server can still be seen."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from wsgiref.simple_server import WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import Metric as Family
from prometheus_client import make_wsgi_app
from prometheus_client.registry import Collector

from gte_monitoring.contract import Metric
from gte_monitoring.exposition.metrics_server import MetricsServer
from gte_monitoring.exposition.process_collector import ProcessCollector
from gte_monitoring.exposition.replica_list import with_replica_list
from gte_monitoring.exposition.slot_collector import SlotCollector

# How long an exporter that is told to make way may take before it is killed.
_PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


class Exposition(Collector):
    """All metrics of a server, or the ones that are asked for by name."""

    def __init__(self, collectors: Sequence[Collector], names: frozenset[str] | None = None) -> None:
        """Show the metrics of `collectors`; with `names` only the metrics or samples of these names."""
        self._collectors = collectors
        self._names = names

    def collect(self) -> Iterable[Family]:
        """All metrics, or the named ones."""
        for collector in self._collectors:
            for family in collector.collect():
                if self._names is None or (family := _restricted(family, self._names)).samples:
                    yield family

    def restricted_registry(self, names: Iterable[str]) -> Exposition:
        """Only the metrics or samples of these names; prometheus_client calls it for `?name[]=`."""
        return Exposition(self._collectors, frozenset(names))


def exposition(
    directory: Path,
    others: Mapping[str, int] | None = None,
    more: Sequence[Collector] = (),
    metrics: Iterable[Metric] = (),
    *,
    alone: bool = True,
) -> Exposition:
    """The metrics of the server that has its metric files in a folder.

    Args:
        directory: that folder.
        others: process ids of the server's other processes, by name.
        more: further collectors.
        metrics: the contract's entries besides the general ones.
        alone: whether nobody else shows this server; see `SlotCollector`.
    """
    return Exposition([SlotCollector(directory, metrics, alone=alone), ProcessCollector(directory, others), *more])


def serve(shown: Exposition, port: int, address: str = "127.0.0.1") -> tuple[WSGIServer, threading.Thread]:
    """Serve the metrics on a port of their own, in a thread, and the list of replicas beside them.

    Args:
        shown: what to serve.
        port: TCP port; 0 takes a free one.
        address: where to listen.

    Returns:
        the server and its thread.

    Raises:
        OSError: the port is taken, or this machine has no such address.
    """
    # Modules and the like stay: a garbage collection in the middle of a scrape need not go through them again.
    gc.collect()
    gc.freeze()
    # It asks a registry for nothing but `collect` and `restricted_registry`.
    metrics = make_wsgi_app(shown)
    server = MetricsServer(address, port, metrics)
    server.set_app(with_head(with_replica_list(metrics, server.server_port)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _log.info("metrics on http://%s:%d/metrics", address, server.server_port)
    return server, thread


def with_head(application: WSGIApplication) -> WSGIApplication:
    """Let a WSGI application that knows GET answer HEAD, by which many monitors ask whether an address is there."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return application(environ, start)
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_later(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return len

        body = application({**environ, "REQUEST_METHOD": "GET"}, start_later)
        length = sum(map(len, body))
        ((status, headers),) = begun
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start(status, [*kept, ("Content-Length", str(length))])
        return []

    return answer


def run_exporter(
    directory: Path,
    port: int,
    address: str = "127.0.0.1",
    *,
    others: Mapping[str, int] | None = None,
    more: Sequence[Collector] = (),
    metrics: Iterable[Metric] = (),
    wait: bool = False,
) -> int:
    """Serve the metrics of a folder until SIGTERM or SIGINT; the main loop of an exporter's process.

    Args:
        directory: the folder of the metric files.
        port: TCP port; while it is taken, it is tried again every second.
        address: where to listen.
        others: as for `exposition`.
        more: as for `exposition`.
        metrics: as for `exposition`.
        wait: wait for another exporter of this folder to end; by default it is ended.

    Returns:
        the exit status.
    """
    # Blocked before there are threads, so that only the one that waits gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        lock = (directory / "exporter.lock").open("a+")
    except OSError as error:
        _log.error(
            "%s can't hold the exporter's lock (%s): counts of lost files won't be carried on.", directory, error
        )
        _serve_until_told(exposition(directory, others, more, metrics, alone=False), port, address)
        return 0
    with lock:
        if not _acquire(lock, wait=wait):
            return 0
        with suppress(OSError):
            # On a full disk a later exporter can't end this one by it.
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        _serve_until_told(exposition(directory, others, more, metrics), port, address)
    return 0


def _serve_until_told(shown: Exposition, port: int, address: str) -> None:
    if serving := _open(shown, port, address):
        server, thread = serving
        signal.sigwait(_SIGNALS)
        server.shutdown()
        thread.join()


def _acquire(lock: IO[str], *, wait: bool) -> bool:
    """Hold the folder's lock, without which no exporter may collect; returns False when a signal came first."""
    begun = time.monotonic()
    while not _locked(lock):
        if not wait:
            _end_holder(lock, signal.SIGTERM if time.monotonic() - begun < _PATIENCE_SECONDS else signal.SIGKILL)
        if _told_to_stop(_RETRY_SECONDS if wait else _POLL_SECONDS):
            return False
    return True


def _end_holder(lock: IO[str], number: signal.Signals) -> None:
    """Send a signal to the exporter that holds the lock, for example because it has outlived its server."""
    lock.seek(0)
    if (holder := lock.read().strip()).isdecimal():
        # It holds the lock, so the process id is still its own, or it is ending this moment.
        with suppress(ProcessLookupError):
            os.kill(int(holder), number)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(shown: Exposition, port: int, address: str) -> tuple[WSGIServer, threading.Thread] | None:
    """Serve as soon as the port is free; None when a signal came first."""
    logged = False
    while True:
        try:
            return serve(shown, port, address)
        except OSError as error:
            if not logged:
                _log.error(
                    "%s:%d for /metrics can't be opened: %s. Name an address of this machine in GTE_METRICS_ADDRESS "
                    "and a free port in GTE_METRICS_LISTEN_PORT; this one is tried again every second.",
                    address, port, error,
                )  # fmt: skip
            logged = True
        if _told_to_stop(_RETRY_SECONDS):
            return None


def _told_to_stop(seconds: float) -> bool:
    """Wait that long for a signal."""
    return signal.sigtimedwait(_SIGNALS, seconds) is not None


def _restricted(family: Family, names: frozenset[str]) -> Family:
    if family.name in names:
        return family
    restricted = Family(family.name, family.documentation, family.type, family.unit)
    restricted.samples = [sample for sample in family.samples if sample.name in names]
    return restricted
