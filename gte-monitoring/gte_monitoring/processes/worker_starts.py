"""What outlives every worker: who the master is, and how many workers were started in place of others.

One small file in the metrics folder, changed under a lock and replaced whole, so that no process sees half of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gte_monitoring.processes.procfs import start_time

_FILE = "census.json"
# gunicorn's threaded and green workers turn their loop once a second.
DEFAULT_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Census:
    """What is known of the server over all its workers.

    Attributes:
        master: process id of gunicorn's master, 0 until known.
        master_started: its start time, as `start_time` gives it.
        patience_seconds: age of a heartbeat beyond which a worker hangs.
        first_starts: workers still to come that take no other's place.
        restarts: workers that were started in place of others.
        set_aside: metric files that were damaged.
        begun: when this folder was empty and so every counter 0, in seconds since 1970; 0 if nobody knows any more.
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


def read_census(directory: Path) -> Census:
    """What is known so far; a file that can't be read counts as none."""
    try:
        return Census(**json.loads((directory / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return Census()


def change_census(directory: Path, change: Callable[[Census], Census]) -> Census:
    """Replace what is known by what `change` makes of it, while no other process does; returns the new."""
    with (directory / "census.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        census = change(read_census(directory))
        if not census.begun and not _counted_before(directory):
            census = replace(census, begun=time.time())
        unfinished = directory / f".{_FILE}"
        unfinished.write_text(json.dumps(asdict(census)))
        unfinished.replace(directory / _FILE)
    return census


def _counted_before(directory: Path) -> bool:
    """Whether there are counts already, as there are when this file was lost, for example in a power failure."""
    return any(path.name != "counter_carried.db" for path in directory.glob("counter_*.db"))


def expect_workers(directory: Path, workers: int) -> None:
    """Say that a server begins: its first workers take nobody's place."""
    directory.mkdir(parents=True, exist_ok=True)
    change_census(directory, lambda census: replace(census, first_starts=workers))


def master_is_this_process(directory: Path, patience_seconds: float = DEFAULT_PATIENCE_SECONDS) -> None:
    """Say that this process is gunicorn's master.

    Args:
        directory: the metrics folder.
        patience_seconds: age of a heartbeat beyond which a worker hangs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    change_census(
        directory,
        lambda census: replace(census, master=pid, master_started=start_time(pid), patience_seconds=patience_seconds),
    )


def count_start(directory: Path) -> None:
    """Count the start of a worker."""
    change_census(
        directory,
        lambda census: (
            replace(census, first_starts=census.first_starts - 1)
            if census.first_starts
            else replace(census, restarts=census.restarts + 1)
        ),
    )


def count_set_aside(directory: Path) -> None:
    """Count a metric file that was set aside."""
    change_census(directory, lambda census: replace(census, set_aside=census.set_aside + 1))
