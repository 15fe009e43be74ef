"""Reads from outside when a gunicorn worker's main loop last ran, so that a worker that hangs is noticed.

Each worker has a file of its own, open and unlinked, whose times it sets to the monotonic clock whenever its main loop
runs; gunicorn's master ends a worker by it (`gunicorn/workers/workertmp.py`). It can be looked at through /proc.
"""

from __future__ import annotations

import time
from pathlib import Path

from gte_monitoring.private_parts import HEARTBEAT_FILE
from gte_monitoring.processes.procfs import ProcessFigures


def heartbeat_age(pid: int, figures: ProcessFigures) -> float | None:
    """Seconds since the main loop of a worker last ran, or None where gunicorn is not its server."""
    for descriptor, target in figures.open_files.items():
        if HEARTBEAT_FILE in target:
            try:
                beat = Path(f"/proc/{pid}/fd/{descriptor}").stat().st_mtime
            except OSError:
                return None
            return max(0.0, time.monotonic() - beat)
    return None
