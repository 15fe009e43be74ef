"""Processes take turns at computing, so that together they never want more threads than there are CPUs.

Two computations with a thread for each CPU take longer together than one after the other: their threads wait for each
other at every step. Locks of the file system are used because a process that dies, however it dies, lets go of them.
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


class Turns:
    """One process's share in the turns of all that use the same folder. For one thread at a time."""

    def __init__(self, folder: Path, at_once: int, patience_seconds: float) -> None:
        """Open the locks.

        Args:
            folder: where they are; made if it isn't there.
            at_once: how many may compute at the same time.
            patience_seconds: who has waited this long computes all the same: whoever has the turn hangs.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # Who is next waits with this one in hand, or the one who has just finished would be first again.
        self._next = _open(folder / "next")
        self._places = [_open(folder / f"place-{number}") for number in range(at_once)]
        self._patience = patience_seconds
        self._late = False

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn, and have it while the block runs."""
        place = self._wait()
        try:
            yield
        finally:
            if place is not None:
                fcntl.flock(place, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the locks."""
        for lock in (self._next, *self._places):
            os.close(lock)

    def _wait(self) -> int | None:
        # Who was let down once doesn't wait again before a turn was to be had.
        deadline = time.monotonic() + (0 if self._late else self._patience)
        if self._first([self._next], deadline) is None:
            self._late = True
            return None
        place = self._first(self._places, deadline)
        fcntl.flock(self._next, fcntl.LOCK_UN)
        self._late = place is None
        return place

    @staticmethod
    def _first(locks: list[int], deadline: float) -> int | None:
        while True:
            for lock in locks:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                return lock
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_SECONDS)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
