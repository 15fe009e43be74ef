"""Where metric files are put while they are measured: in memory, and on a disk, as a container's volume is."""

from __future__ import annotations

import tempfile
from pathlib import Path

_IN_MEMORY = ("tmpfs", "ramfs")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (only folders of random names are made in it)


def memory_folder() -> Path:
    """A folder in memory, or the one for temporary files where there is none."""
    temporary = Path(tempfile.gettempdir())
    return next((folder for folder in (temporary, _SHARED_MEMORY) if is_in_memory(folder)), temporary)


def disk_folder(named: Path | None = None) -> Path | None:
    """A folder, by default the one for temporary files, or None where that is no folder on a disk."""
    folder = named or Path(tempfile.gettempdir())
    return None if is_in_memory(folder) else folder


def is_in_memory(folder: Path) -> bool:
    """Whether what is written to a folder is in memory only."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    resolved = folder.resolve()
    # A later mount hides an earlier one at the same place.
    found = [(len(point), number) for number, (_, point, *_) in enumerate(mounts) if resolved.is_relative_to(point)]
    return bool(found) and mounts[max(found)[1]][2] in _IN_MEMORY
