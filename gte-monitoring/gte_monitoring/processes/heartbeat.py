"""Whether gunicorn's workers still turn, read from outside, so that a worker which hangs need not say so itself.

Each worker has a file of its own, open and unlinked, whose times it sets to the monotonic clock whenever its main loop
turns; gunicorn's master ends a worker by it (`gunicorn/workers/workertmp.py`). It can be looked at through /proc.
"""

from __future__ import annotations

import time
from pathlib import Path

from gte_monitoring.processes.procfs import ProcessFigures

_PREFIX = "/wgunicorn-"


def heartbeat_age(pid: int, figures: ProcessFigures) -> float | None:
    """Seconds since the main loop of a worker last turned, or None where gunicorn is not its server."""
    for descriptor, target in figures.open_files.items():
        if _PREFIX in target:
            try:
                beat = Path(f"/proc/{pid}/fd/{descriptor}").stat().st_mtime
            except OSError:
                return None
            return max(0.0, time.monotonic() - beat)
    return None
