"""Names the folder of the metric files where no setting does: one for each server, in memory where that is possible."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from gte_monitoring.processes.procfs import start_time
from gte_monitoring.processes.slots import read_holders

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 (the folder is made for this user alone, see `_own`)
# A folder younger than this may belong to a server that is just starting.
_STARTING_SECONDS = 60.0


def folder_of_server(app: str) -> Path:
    """The folder that all workers of this server share, made if need be.

    A server is a process group: gunicorn's workers are in their master's. Folders of groups that are gone are removed.

    Args:
        app: what tells this app from others in the same group, for example its path.

    Raises:
        OSError: it can't be made.
    """
    group = os.getpgrp()
    # 32 bits tell apart the few apps of one group.
    folder = _base() / f"{_prefix()}{group}-{start_time(group)}-{zlib.crc32(app.encode()):08x}"
    for stale in _stale(folder):
        shutil.rmtree(stale, ignore_errors=True)
    return _own(folder)


def folder_of_port(port: int) -> Path:
    """The folder of the server whose metrics are served on a port of this machine; it goes on after a restart.

    Raises:
        OSError: it can't be made.
    """
    return _own(_base() / f"{_prefix()}port-{port}")


def _own(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise PermissionError(
            f"{folder} belongs to somebody else. Name another folder for the metric files in GTE_METRICS_DIR."
        )
    return folder


def _stale(mine: Path) -> Iterator[Path]:
    for folder in _base().glob(f"{_prefix()}[0-9]*-*-*"):
        group, started = folder.name.removeprefix(_prefix()).split("-")[:2]
        if folder == mine or str(start_time(int(group))) == started or folder.is_symlink():
            continue
        if time.time() - folder.stat().st_mtime > _STARTING_SECONDS and not any(
            holder.alive for holder in read_holders(folder)
        ):
            yield folder


def _base() -> Path:
    return _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())


def _prefix() -> str:
    return f"gte-metrics-{os.getuid()}-"
