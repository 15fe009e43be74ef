"""Stable slots: a small number for each live worker, so that its metric files outlive it and are taken up again.

prometheus_client names a metric file after the process that writes it. With process ids every replaced worker would
leave files behind for ever, or take its counts with it. A slot is the lowest number that no live worker holds; a new
worker in the slot goes on with the counts it finds. The lock that marks a slot is the kernel's, so it frees itself
however the worker ends.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gte_monitoring.disk_space import write_whole
from gte_monitoring.processes.procfs import start_time

MAX_SLOTS = 1024
# The slots of this process, each with the open file whose lock marks it: it lasts as long as the file is open.
_held: dict[int, IO[str]] = {}
# Processes that hold none on purpose: this one, or its parents.
_without: set[int] = set()


@dataclass(frozen=True)
class SlotHolder:
    """The process that holds, or last held, a slot.

    Attributes:
        slot: the number.
        pid: process id.
        started: its start time, as `start_time` gives it.
    """

    slot: int
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_time(self.pid) == self.started


def take_slot(directory: Path) -> int:
    """Take the lowest free slot for the life of this process, and drop the gauges that its last holder left.

    Counters and histograms go on; a gauge is a statement about a live process, and that one is gone.

    Raises:
        RuntimeError: more than 1,024 workers live at once.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for slot in range(MAX_SLOTS):
        file = (directory / f"slot-{slot}.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _held[slot] = file
        for gauges in directory.glob(f"gauge_live*_{slot}.db"):
            gauges.unlink(missing_ok=True)
        _write_holder(directory, SlotHolder(slot, os.getpid(), start_time(os.getpid())))
        return slot
    raise RuntimeError(f"all {MAX_SLOTS} metric slots in {directory} are taken: lower the number of workers.")


def go_without_slot() -> int:
    """Let this process hold no slot, because it can't be measured; returns a number in its place, below -1."""
    _release_slots()
    _without.add(os.getpid())
    return -os.getpid()


def slot_of_this_process() -> int:
    """The highest slot that this process holds; a worker holds one. Below 0 it is none, and no other process has it.

    Raises:
        RuntimeError: it has taken none.
    """
    if os.getpid() in _without:
        return -os.getpid()
    if not _held:
        raise RuntimeError("this process has no metric slot: gunicorn's post_fork hook must call join_metrics first.")
    return max(_held)


def read_holders(directory: Path) -> Iterator[SlotHolder]:
    """The processes that hold or last held a slot, by slot."""
    for slot in range(MAX_SLOTS):
        if not (directory / f"slot-{slot}.lock").exists():
            return
        if (holder := _read_holder(directory, slot)) is not None:
            yield holder


def _read_holder(directory: Path, slot: int) -> SlotHolder | None:
    try:
        return SlotHolder(**json.loads((directory / f"slot-{slot}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write_holder(directory: Path, holder: SlotHolder) -> None:
    write_whole(directory / f"slot-{holder.slot}.json", json.dumps(holder.__dict__))


def _release_slots() -> None:
    for file in _held.values():
        file.close()
    _held.clear()


# The slots are the parent's, and their locks must not outlive it.
os.register_at_fork(after_in_child=_release_slots)
