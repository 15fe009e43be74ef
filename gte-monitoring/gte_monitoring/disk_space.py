"""Gives metric files their disk space beforehand, so that a full disk is an error and not the end of a worker."""

from __future__ import annotations

import os
from pathlib import Path

# Beyond what the contract and many metrics of an app's own need, so that files seldom grow.
RESERVED_BYTES = 1 << 18
_HEADER_BYTES = 8


def reserve(path: Path) -> None:
    """Make a metric file with disk space of its own, or leave an existing one as it is.

    Raises:
        OSError: there is no space, or the folder can't be written.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.fstat(handle).st_size < _HEADER_BYTES:
            os.ftruncate(handle, 0)
            give_space(handle, RESERVED_BYTES)
    finally:
        os.close(handle)


def give_space(handle: int, size: int) -> None:
    """Make an open file `size` bytes long, with disk space for all of them.

    Raises:
        OSError: there is no space.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        # Not on macOS; holes are the lesser evil there.
        os.ftruncate(handle, size)


def write_whole(path: Path, text: str) -> None:
    """Replace the content of a small file at once; where there is no room for a second one, overwrite it in place.

    Raises:
        OSError: it can't be written, or there is no file yet and no room for one.
    """
    unfinished = path.with_name(f".{path.name}")
    try:
        unfinished.write_text(text)
        unfinished.replace(path)
    except OSError:
        with path.open("r+") as file:
            file.write(text)
            file.truncate()
