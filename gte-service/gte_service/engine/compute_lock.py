"""A lock between processes, so that their computations together never want more threads than there are CPUs.

Two computations with a thread for each CPU take longer together than one after the other: their threads wait for each
other at every step. Locks of the file system are used because the kernel releases them when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Measured with two workers: 1 ms costs one or two hundredths of the speed, 5 ms none that shows.
_POLL_SECONDS = 0.005


class ComputeLock:
    """One process's handle on the permits that all processes with the same folder share. For one thread at a time."""

    def __init__(self, folder: Path, permits: int, patience_seconds: float) -> None:
        """Open the lock files.

        Args:
            folder: where they are; made if it isn't there.
            permits: how many processes may compute at the same time.
            patience_seconds: after this long, compute without a permit: its holder is assumed to hang.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # The next waiter holds this lock while it waits; otherwise the process that has just released a permit would
        # always win it back.
        self._queue = _open(folder / "queue")
        self._permits = [_open(folder / f"permit-{number}") for number in range(permits)]
        self._patience = patience_seconds
        self._timed_out = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for a permit, and hold it while the block runs."""
        permit = self._acquire()
        try:
            yield
        finally:
            if permit is not None:
                fcntl.flock(permit, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files."""
        for file in (self._queue, *self._permits):
            os.close(file)

    def _acquire(self) -> int | None:
        # After one timeout, don't wait again until a permit has been acquired.
        deadline = time.monotonic() + (0 if self._timed_out else self._patience)
        if self._lock_any([self._queue], deadline) is None:
            self._timed_out = True
            return None
        permit = self._lock_any(self._permits, deadline)
        fcntl.flock(self._queue, fcntl.LOCK_UN)
        self._timed_out = permit is None
        return permit

    @staticmethod
    def _lock_any(files: list[int], deadline: float) -> int | None:
        while True:
            for file in files:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                return file
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_SECONDS)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
