"""What /proc says of a process: whether it is still the same one, its CPU time, memory, open files and threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Only Linux has it. Elsewhere, say on a developer's macOS, there are no figures, and a process is known by its id.
_HAS_PROC = Path("/proc/self/stat").exists()
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ProcessFigures:
    """What /proc says of a process.

    Attributes:
        parent: process id of its parent.
        stopped: whether a signal or a debugger has stopped it.
        cpu_seconds: user and system time so far.
        threads: its threads.
        started: when it was started, in seconds since 1970.
        resident_bytes: its pages in memory, shared ones counted in full.
        open_files: what its open file descriptors lead to, by descriptor: paths, `socket:[inode]` and the like.
    """

    parent: int
    stopped: bool
    cpu_seconds: float
    threads: int
    started: float
    resident_bytes: int
    open_files: dict[str, str]


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot, or -1 when it has ended (a zombie has).

    Together with the id it tells a process from a later one with the same id.
    """
    if not _HAS_PROC:
        return 0 if _exists(pid) else -1
    try:
        fields = _stat(pid)
    except OSError:
        return -1
    return -1 if fields[0] in {"Z", "X"} else int(fields[19])


def read_figures(pid: int) -> ProcessFigures | None:
    """The figures of a process, or None when it has ended or may not be looked at."""
    folder = f"/proc/{pid}/fd"
    open_files: dict[str, str] = {}
    try:
        fields = _stat(pid)
        resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        # Not by Path, which takes ten times as long: each process has a hundred of them, and each scrape asks for them.
        for name in os.listdir(folder):  # noqa: PTH208
            try:
                open_files[name] = os.readlink(f"{folder}/{name}")  # noqa: PTH115
            except FileNotFoundError:
                # Closed since the folder was listed.
                continue
    except OSError:
        return None
    return ProcessFigures(
        parent=int(fields[1]),
        stopped=fields[0] in {"T", "t"},
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        threads=int(fields[17]),
        started=_boot_time() + int(fields[19]) / _TICKS,
        resident_bytes=resident_pages * _PAGE_BYTES,
        open_files=open_files,
    )


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live; none where the kernel doesn't tell."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def proportional_bytes(pid: int) -> int | None:
    """A process's pages in memory, shared ones divided by the number of their users (PSS), or None when it has ended.

    The kernel walks all its pages for it: some 50 ms for a process of a gigabyte.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat(pid: int) -> list[str]:
    # The second field is the name in brackets and may hold anything, so count from its end.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@cache
def _boot_time() -> float:
    words = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    return next(float(line[1]) for line in words if line[0] == "btime")
