"""Makes a freshly forked worker write its metrics under its slot instead of its process id."""

from __future__ import annotations

import os
from pathlib import Path

from gte_service.monitoring.slots import take_slot

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def join_metrics(directory: Path) -> int:
    """Take a slot and direct all metrics made from now on into its files.

    To be called in the worker after the fork and before the first metric object is made.

    Returns:
        the slot.
    """
    slot = take_slot(directory)
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    # The import reads the variable, hence its place below the line above.
    from prometheus_client import values  # noqa: PLC0415

    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
    return slot
