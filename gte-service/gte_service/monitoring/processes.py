"""CPU, memory and open files of a process, read from /proc."""

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
    return int(text.split()[0]) * 1024
