"""Makes a process write its metrics under a slot instead of its process id."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from gte_monitoring.disk_space import reserve
from gte_monitoring.private_parts import NO_SLOT, write_values_by
from gte_monitoring.processes.slots import go_without_slot, take_slot
from gte_monitoring.processes.worker_starts import count_set_aside, count_start
from gte_monitoring.recording.metric_files import DamagedFileError, read_metric_file, set_aside

# prometheus_client and other libraries take from it that there are several processes, and where their files are.
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# The files that the contract's metrics need.
_FILES = ("counter", "histogram", "gauge_livesum")
_log = logging.getLogger(__name__)


class _SlotOfProcess:
    """The folder that metrics are written to, and the slot that the calling process holds in it."""

    def __init__(self) -> None:
        self.directory: Path | None = None
        self._pid = 0
        self._slot = NO_SLOT

    def take(self) -> int:
        """The slot of this process; the first call takes one, also in a forked child.

        Below `NO_SLOT` where its files can't be had: then the process works, and isn't measured.
        """
        if self.directory and os.getpid() != self._pid:
            self._pid = os.getpid()
            try:
                self._slot = take_slot(self.directory)
                repair_slot_files(self.directory, self._slot)
            except (OSError, RuntimeError) as error:
                self._slot = go_without_slot()
                _log.error(
                    "process %d works, but nothing that it does is counted: its metric files in %s can't be had (%s). "
                    "Make room there, or bring the folder back, then reload the server (SIGHUP).",
                    self._pid, self.directory, error,
                )  # fmt: skip
        return self._slot


_slot_of_process = _SlotOfProcess()


def direct_metrics(directory: Path) -> None:
    """Have all metrics that are made from now on, here and in processes forked later, written to files of a folder.

    A process takes its slot when it makes its first metric, or records in one that it has inherited.

    Raises:
        RuntimeError: another folder was named before.
    """
    if _slot_of_process.directory == directory:
        return
    if _slot_of_process.directory:
        raise RuntimeError(
            f"this process writes its metrics to {_slot_of_process.directory}, so not to {directory} too."
        )
    os.environ[_DIRECTORY_VARIABLE] = str(directory)
    # Before the folder is named: the library asks for a slot at once, and a master that makes no metric needs none.
    write_values_by(_slot_of_process.take)
    _slot_of_process.directory = directory


def join_metrics(directory: Path) -> int:
    """Take a slot in a folder for this process, a worker, and count its start.

    To be called in the worker after the fork and before the first metric object is made.

    Returns:
        the slot; a number below -1 where the folder can't be written or its disk is full: see the log.

    Raises:
        RuntimeError: this process writes to another folder already.
    """
    direct_metrics(directory)
    slot = _slot_of_process.take()
    count_start(directory)
    return slot


def metrics_directory() -> Path | None:
    """The folder that this process writes its metrics to, None if none was named."""
    return _slot_of_process.directory


def repair_slot_files(directory: Path, slot: int) -> None:
    """Set damaged files of a slot aside, and see that the others have their disk space.

    Raises:
        OSError: the folder can't be written, or its disk is full.
    """
    for path in directory.glob(f"*_{slot}.db"):
        try:
            read_metric_file(path)
        except DamagedFileError as error:
            set_aside(path)
            count_set_aside(directory)
            _log.error("metric file %s was damaged (%s): set aside, its slot begins a new one", path, error)
    for name in _FILES:
        reserve(directory / f"{name}_{slot}.db")
