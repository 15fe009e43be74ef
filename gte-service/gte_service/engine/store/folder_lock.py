"""A lock on a folder, so that two processes never prepare models in it at the same time."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gte_service.engine.store.checkpoint import storage_errors


@contextmanager
def folder_lock(folder: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a folder while the block runs. The kernel releases it when the process dies.

    Args:
        folder: made if it isn't there.
        report: is told when another process has the lock and this one waits for it.

    Raises:
        StorageError: the folder can't be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another process that is working in {folder}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
