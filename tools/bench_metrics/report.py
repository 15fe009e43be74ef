"""The table: what was measured, its target, and whether the target is reached."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_SIMD = ("avx2", "avx512f", "avx512_vnni", "amx_bf16", "asimd")
_PACKAGES = ("flask", "prometheus-client", "prometheus-flask-exporter", "gunicorn")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: what was measured.
        measured: its figures, as text; "" makes the line a heading.
        figure: the one that the target is about.
        target: the most that it may be, None for a figure that is only shown.
        unit: of both.
    """

    what: str
    measured: str = ""
    figure: float = 0.0
    target: float | None = None
    unit: str = ""

    @property
    def missed(self) -> bool:
        """Whether there is a target and the figure is above it, or is not a number."""
        return self.target is not None and not self.figure <= self.target


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The rows, line by line."""
    for row in rows:
        target = "" if row.target is None else f"≤ {row.target:,.10g} {row.unit}"
        result = "" if row.target is None else "FAIL" if row.missed else "pass"
        cells = f"  {row.what:<56}  {row.measured:<44}  {target:<11}  {result}"
        yield cells.rstrip() if row.measured else f"\n{row.what}"


def machine() -> str:
    """Date, CPU, and the versions that matter."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {len(os.sched_getaffinity(0))} CPUs, "
        f"{cpu.get('model name') or platform.machine()} ({' '.join(flag for flag in _SIMD if flag in flags)}), "
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    )
