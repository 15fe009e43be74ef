"""What the machine is, for whoever compares figures."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Date, CPU, how many of it there are, and the versions that matter, in one line."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = ("flask", "prometheus-client", "prometheus-flask-exporter", "gunicorn")
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {(models or [platform.machine()])[0]}, "
        f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f} at the start, "
        f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in packages)}"
    )
