"""What /proc says of a process: whether it is still the same one, its CPU time, memory and open files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessFigures:
    """What /proc says of a process.

    Attributes:
        parent: process id of its parent.
        cpu_seconds: user and system time so far.
        resident_bytes: its pages in memory, shared ones counted in full.
        proportional_bytes: its pages in memory, shared ones divided by the number of their users (PSS).
        open_files: its open file descriptors.
    """

    parent: int
    cpu_seconds: float
    resident_bytes: int
    proportional_bytes: int
    open_files: int


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot, or -1 when it has ended (a zombie has).

    Together with the id it tells a process from a later one with the same id.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return -1
    # The second field is the name in brackets and may hold anything, so count from its end.
    fields = stat.rpartition(")")[2].split()
    return -1 if fields[0] in {"Z", "X"} else int(fields[19])


def read_figures(pid: int) -> ProcessFigures | None:
    """The figures of a process, or None when it has ended or may not be looked at."""
    proc = Path(f"/proc/{pid}")
    try:
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        memory = dict(
            line.split(":", 1) for line in (proc / "smaps_rollup").read_text().splitlines()[1:] if ":" in line
        )
        open_files = sum(1 for _ in (proc / "fd").iterdir())
    except OSError:
        return None
    return ProcessFigures(
        parent=int(fields[1]),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        resident_bytes=_kilobytes(memory["Rss"]),
        proportional_bytes=_kilobytes(memory["Pss"]),
        open_files=open_files,
    )


def _kilobytes(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * 1024
