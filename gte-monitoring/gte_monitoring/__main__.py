"""`python -m gte_monitoring FOLDER ADDRESS PORT`: serves the metrics of a folder until it is told to stop."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO
from wsgiref.simple_server import WSGIServer

from gte_monitoring.exposition.exporter import exposition, serve

_PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Serve until a signal comes; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gte_monitoring", description=__doc__)
    parser.add_argument("directory", type=Path, help="the folder of the metric files")
    parser.add_argument("address", help="where to listen")
    parser.add_argument("port", type=int, help="TCP port")
    parser.add_argument("--wait", action="store_true", help="wait for another exporter of this folder, don't end it")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    # Blocked before there are threads, so that only the one that waits gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    with (options.directory / "exporter.lock").open("a+") as lock:
        if not (_wait_for(lock) if options.wait else _take_over(lock)):
            return 0
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        serving = _open(options.directory, options.address, options.port)
        if serving:
            server, thread = serving
            signal.sigwait(_SIGNALS)
            server.shutdown()
            thread.join()
    return 0


def _wait_for(lock: IO[str]) -> bool:
    """Wait until no other exporter has the folder; returns False when a signal came first."""
    while not _lock(lock):
        if _told_to_stop(_RETRY_SECONDS):
            return False
    return True


def _take_over(lock: IO[str]) -> bool:
    """Take the place of an exporter that has outlived its server, so that one folder never has two."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _lock(lock) and time.monotonic() < deadline:
        lock.seek(0)
        if (holder := lock.read().strip()).isdecimal():
            # It holds the lock, so the number is still its own, or it is ending this moment.
            with suppress(ProcessLookupError):
                os.kill(int(holder), signal.SIGTERM)
        time.sleep(_POLL_SECONDS)
    return True


def _lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(directory: Path, address: str, port: int) -> tuple[WSGIServer, threading.Thread] | None:
    """Serve as soon as the port is free; None when a signal came first."""
    shown = exposition(directory)
    said = False
    while True:
        try:
            return serve(shown, port, address)
        except OSError as error:
            if not said:
                print(
                    f"port {port} for /metrics can't be opened: {error}. Name another in GTE_METRICS_LISTEN_PORT, or "
                    "free it: it is tried again every second.", file=sys.stderr, flush=True,
                )  # fmt: skip
            said = True
        if _told_to_stop(_RETRY_SECONDS):
            return None


def _told_to_stop(seconds: float) -> bool:
    """Wait that long for a signal."""
    return signal.sigtimedwait(_SIGNALS, seconds) is not None


if __name__ == "__main__":
    sys.exit(main())
