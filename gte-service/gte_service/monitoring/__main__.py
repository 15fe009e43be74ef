"""`python -m gte_service.monitoring FOLDER ADDRESS PORT`: serves the metrics of a folder until it is told to stop."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from gte_service.monitoring.exporter import exposition, serve

_PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.05


def main() -> int:
    """Serve; returns the exit status: 0 after a signal, 1 when that can't be done."""
    parser = argparse.ArgumentParser(prog="python -m gte_service.monitoring", description=__doc__)
    parser.add_argument("directory", type=Path, help="the folder of the metric files")
    parser.add_argument("address", help="where to listen")
    parser.add_argument("port", type=int, help="TCP port")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    # Blocked before there are threads, so that only the one that waits gets them.
    signals = [signal.SIGTERM, signal.SIGINT]
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with (options.directory / "exporter.lock").open("a+") as lock:
        _take_over(lock)
        try:
            server, thread = serve(exposition(options.directory), options.port, options.address)
        except OSError as error:
            print(
                f"port {options.port} for /metrics can't be opened: {error}. Name another in GTE_METRICS_LISTEN_PORT.",
                file=sys.stderr,
            )
            return 1
        signal.sigwait(signals)
        server.shutdown()
        thread.join()
    return 0


def _take_over(lock: IO[str]) -> None:
    """Take the place of an exporter that has outlived its server, so that one folder never has two."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            lock.seek(0)
            if (holder := lock.read().strip()).isdecimal():
                # It holds the lock, so the number is still its own, or it is ending this moment.
                with suppress(ProcessLookupError):
                    os.kill(int(holder), signal.SIGTERM)
            time.sleep(_POLL_SECONDS)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


if __name__ == "__main__":
    sys.exit(main())
