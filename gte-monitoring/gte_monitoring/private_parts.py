"""Everything that the package uses of prometheus_client and gunicorn beyond what they document.

pyproject.toml keeps both libraries below the next version that could change these parts, and
tests/test_private_parts.py says for each what breaks without it.
"""

from __future__ import annotations

import inspect
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import Metric as Family
from prometheus_client import mmap_dict, values
from prometheus_client.multiprocess import MultiProcessCollector

from gte_monitoring.disk_space import give_space, reserve

# A gunicorn worker keeps an open, unlinked file of this name and sets its times whenever its main loop runs.
HEARTBEAT_FILE = "/wgunicorn-"
NO_SLOT = -1
_HEADER_BYTES = 8
_VALUE_AND_TIMESTAMP_BYTES = 16
# Length, padding, value and timestamp: what an entry takes besides its key, at most.
_ENTRY_BYTES = 4 + 8 + _VALUE_AND_TIMESTAMP_BYTES


class ReservedFile(mmap_dict.MmapedDict):
    """A metric file whose disk space is reserved.

    The library lengthens its files by truncate. On a full disk that succeeds, and the next store into the file ends
    the process with SIGBUS.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        """Open a file, or make one.

        Raises:
            OSError: there is no space, or it can't be written.
        """
        if not read_mode:
            reserve(Path(filename))
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + _ENTRY_BYTES > self._capacity:
            give_space(self._f.fileno(), 2 * self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def write_values_by(slot_of_process: Callable[[], int]) -> None:
    """Have the library keep the values of all metrics made from now on in files named after a slot.

    Args:
        slot_of_process: the slot of the process that calls it; NO_SLOT while it needs none, and below that where it
            can have none: then its values are kept in its memory, where nobody reads them.
    """
    values.MmapedDict = ReservedFile  # type: ignore[attr-defined]
    value_class: Any = values.MultiProcessValue(slot_of_process)  # type: ignore[no-untyped-call]
    # Another thread may hold the lock at a fork, and would not be there in the child to release it.
    lock = inspect.getclosurevars(value_class.inc).nonlocals["lock"]
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    made: dict[tuple[str, ...], Any] = {}

    def value(kind: str, *names: Any, multiprocess_mode: str = "", **options: Any) -> Any:
        # A value keeps a copy of its number, so two objects for one entry of a file would overwrite each other.
        if slot_of_process() < NO_SLOT:
            return values.MutexValue(kind, *names, **options)  # type: ignore[no-untyped-call]
        key = kind, multiprocess_mode, mmap_dict.mmap_key(*names)
        if key not in made:
            made[key] = value_class(kind, *names, multiprocess_mode=multiprocess_mode, **options)
        return made[key]

    values.ValueClass = value


def entries(data: bytes) -> Iterator[tuple[str, float]]:
    """The keys and values of a metric file.

    Args:
        data: the bytes that its header says are used.

    Raises:
        ValueError: the bytes are not what the library writes.
    """
    end = _HEADER_BYTES
    try:
        for key, value, _, position in mmap_dict._read_all_values(data, len(data)):  # type: ignore[no-untyped-call]
            if position < end:
                raise ValueError(f"the entry at byte {end} has no length")
            end = position + _VALUE_AND_TIMESTAMP_BYTES
            yield key, value
    except (RuntimeError, struct.error) as error:
        raise ValueError(f"the entry at byte {end} reaches beyond the end") from error


def accumulated(families: Mapping[str, Family]) -> Iterable[Family]:
    """Families, by name, as they are exposed; in files each bucket of a histogram holds only its own observations."""
    found: Iterable[Family] = MultiProcessCollector._accumulate_metrics(families, accumulate=True)  # type: ignore[no-untyped-call]
    return found


def call_every_second(server: Any, function: Callable[[], None]) -> None:
    """Call a function whenever gunicorn's master looks after its workers; it has no hook that is called regularly."""
    manage_workers = server.manage_workers

    def manage_all() -> None:
        function()
        manage_workers()

    server.manage_workers = manage_all


def worker_class_name(server: Any) -> str:
    """The worker class as the server's configuration resolves it, for example `sync` or `gthread`."""
    return str(server.cfg.worker_class_str)
