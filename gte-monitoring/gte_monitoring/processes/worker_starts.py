"""Counts worker starts, and keeps what else outlives every worker: who the master is, and since when counters count.

It is one small file in the metrics folder, changed under a lock and replaced atomically.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gte_monitoring.disk_space import write_whole
from gte_monitoring.processes.procfs import start_time

# The name that earlier versions gave it: folders that outlive an update keep it.
_FILE = "census.json"
# The main loop of gunicorn's threaded and green workers runs once a second.
DEFAULT_PATIENCE_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerStarts:
    """A server's record over all its workers.

    Attributes:
        master: process id of gunicorn's master, 0 until known.
        master_started: its start time, as `start_time` gives it.
        patience_seconds: age of a heartbeat beyond which a worker hangs.
        first_starts: workers still to come that replace no other.
        restarts: workers that were started to replace others.
        set_aside: metric files that were damaged.
        begun: when this folder was empty and so every counter 0, in seconds since 1970; 0 if it is not known.
    """

    master: int = 0
    master_started: int = -1
    patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    first_starts: int = 0
    restarts: int = 0
    set_aside: int = 0
    begun: float = 0.0

    @property
    def living_master(self) -> int:
        """Process id of the master, 0 when it is dead or not known."""
        return self.master if self.master and start_time(self.master) == self.master_started else 0


def read_worker_starts(directory: Path) -> WorkerStarts:
    """The record so far; an empty one if the file can't be read."""
    try:
        return WorkerStarts(**json.loads((directory / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return WorkerStarts()


def change_worker_starts(directory: Path, change: Callable[[WorkerStarts], WorkerStarts]) -> WorkerStarts:
    """Replace the record by what `change` makes of it, while no other process does; returns the new one.

    Where it can't be written, the log says so, and the server goes on.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "census.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            starts = change(read_worker_starts(directory))
            if not starts.begun and not _counted_before(directory):
                starts = replace(starts, begun=time.time())
            write_whole(directory / _FILE, json.dumps(asdict(starts)))
    except OSError as error:
        _log.error("the record of worker starts in %s can't be written: %s", directory, error)
        return change(read_worker_starts(directory))
    return starts


def _counted_before(directory: Path) -> bool:
    """Whether there are counts already, as there are when this file was lost, for example in a power failure."""
    return any(directory.glob("counter_*.db"))


def expect_workers(directory: Path, workers: int) -> None:
    """Record that a server starts with that many workers, which replace no others."""
    change_worker_starts(directory, lambda starts: replace(starts, first_starts=workers))


def master_is_this_process(directory: Path, patience_seconds: float = DEFAULT_PATIENCE_SECONDS) -> None:
    """Record this process as gunicorn's master.

    Args:
        directory: the metrics folder.
        patience_seconds: age of a heartbeat beyond which a worker hangs.
    """
    pid = os.getpid()
    change_worker_starts(
        directory,
        lambda starts: replace(starts, master=pid, master_started=start_time(pid), patience_seconds=patience_seconds),
    )


def count_start(directory: Path) -> None:
    """Count the start of a worker."""
    change_worker_starts(
        directory,
        lambda starts: (
            replace(starts, first_starts=starts.first_starts - 1)
            if starts.first_starts
            else replace(starts, restarts=starts.restarts + 1)
        ),
    )


def count_set_aside(directory: Path) -> None:
    """Count a metric file that was set aside."""
    change_worker_starts(directory, lambda starts: replace(starts, set_aside=starts.set_aside + 1))
