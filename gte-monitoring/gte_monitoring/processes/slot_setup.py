"""Makes processes write their metrics under a slot instead of their process id."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from prometheus_client import values

from gte_monitoring.exposition.metric_files import DamagedFileError, MetricFileReader, reserve, set_aside
from gte_monitoring.processes.slots import take_slot
from gte_monitoring.processes.worker_starts import count_set_aside, count_start
from gte_monitoring.recording.mapped_values import MappedValue, SlotFiles

# By this libraries learn that there are several processes, and where their files are.
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# The files that the contract's metrics need.
_FILES = ("counter", "histogram", "gauge_livesum")
_NO_SLOT = -1
_log = logging.getLogger(__name__)


class _Membership:
    """The folder that metrics are written to, and the slot in it of the process that asks."""

    def __init__(self) -> None:
        self.directory: Path | None = None
        self._pid = 0
        self._slot = _NO_SLOT

    def take(self) -> int:
        """The slot of this process; the first time it takes one."""
        if self.directory and os.getpid() != self._pid:
            self._slot = take_slot(self.directory)
            self._pid = os.getpid()
            _make_sound(self.directory, self._slot)
        return self._slot


_membership = _Membership()


def direct_metrics(directory: Path) -> None:
    """Have all metrics that are made from now on, here and in processes forked later, written to files of a folder.

    A process takes its slot when it makes its first metric, or records in one that it has inherited.

    Raises:
        RuntimeError: another folder was named before.
    """
    if _membership.directory == directory:
        return
    if _membership.directory:
        raise RuntimeError(f"this process writes its metrics to {_membership.directory}, so not to {directory} too.")
    os.environ[_DIRECTORY_VARIABLE] = str(directory)
    _membership.directory = directory
    MappedValue.files = SlotFiles(lambda kind: directory / f"{kind}_{_membership.take()}.db")
    values.ValueClass = MappedValue


def join_metrics(directory: Path) -> int:
    """Take a slot in a folder for this process, a worker, and count its start.

    To be called in the worker after the fork and before the first metric object is made.

    Returns:
        the slot.

    Raises:
        OSError: the folder can't be written, or its disk is full.
        RuntimeError: this process writes to another folder already.
    """
    direct_metrics(directory)
    slot = _membership.take()
    count_start(directory)
    return slot


def metrics_directory() -> Path | None:
    """The folder that this process writes its metrics to, None if none was named."""
    return _membership.directory


def _make_sound(directory: Path, slot: int) -> None:
    """See that the slot's files can be gone on with: sound, and with disk space of their own."""
    reader = MetricFileReader()
    for path in directory.glob(f"*_{slot}.db"):
        try:
            reader.read(path)
        except DamagedFileError as error:
            set_aside(path)
            count_set_aside(directory)
            _log.error("metric file %s was damaged (%s): set aside, its slot begins anew", path, error)
    for name in _FILES:
        reserve(directory / f"{name}_{slot}.db")
