"""The values behind prometheus_client's metrics: eight bytes each in a mapped file, changed by a single store.

prometheus_client has such a class too. For each change it asks which process it is in, looks the place up by a key of
some hundred letters, and packs the value with a timestamp. A request changes twenty values, so this one knows its
place, and is told of a fork.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from prometheus_client.mmap_dict import mmap_key

from gte_monitoring.exposition.metric_files import HEADER_BYTES, encoded_entry, entries, give_space, reserve

_NUMBER_BYTES = 8


class MappedFile:
    """A metric file that this process writes, see `metric_files` for its format. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Go on with a file, or make one.

        Raises:
            DamagedFileError: it holds something that no worker writes.
            OSError: there is no space, or it can't be written.
        """
        reserve(path)
        self._handle = os.open(path, os.O_RDWR)
        self._map(os.fstat(self._handle).st_size // _NUMBER_BYTES * _NUMBER_BYTES)
        # One store: a reader sees the old number or the new one.
        self._integers[0] = self._integers[0] or HEADER_BYTES
        data = self._mapped[: self._integers[0]]
        self._places = {data[begin:end]: value_at // _NUMBER_BYTES for begin, end, value_at in entries(data)}

    def place(self, key: str) -> tuple[memoryview[float], int]:
        """Where the value of a key is: the file's numbers and its position among them; the timestamp is the next.

        Raises:
            OSError: there is no space for a new one.
        """
        raw = key.encode()
        if raw not in self._places:
            entry = encoded_entry(raw)
            used = self._integers[0]
            if used + len(entry) > len(self._mapped):
                give_space(self._handle, 2 * len(self._mapped))
                self._map(2 * len(self._mapped))
            self._mapped[used : used + len(entry)] = entry
            self._integers[0] = used + len(entry)
            self._places[raw] = self._integers[0] // _NUMBER_BYTES - 2
        return self._numbers, self._places[raw]

    def close(self) -> None:
        """Let the file go; who still has its numbers can use them."""
        os.close(self._handle)

    def _map(self, size: int) -> None:
        self._mapped = mmap.mmap(self._handle, size)
        self._integers = memoryview(self._mapped).cast("i")
        self._numbers = memoryview(self._mapped).cast("d")


class SlotFiles:
    """The files of this process, one for each kind of metric, and all values in them."""

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        """Nothing is opened yet.

        Args:
            path_of: the file of a kind of metric; another one in a forked process.
        """
        self.lock = threading.Lock()
        self.forked = False
        self._path_of = path_of
        self._files: dict[str, MappedFile] = {}
        self._values: list[MappedValue] = []
        os.register_at_fork(after_in_child=self._note_fork)

    def add(self, value: MappedValue) -> None:
        """Give a new value its place."""
        with self.lock:
            if self.forked:
                self.open_anew()
            self._bind(value)
            self._values.append(value)

    def open_anew(self) -> None:
        """After a fork: give all values their places in the files of this process. The lock must be held."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        for value in self._values:
            self._bind(value)
        self.forked = False

    def _bind(self, value: MappedValue) -> None:
        file = self._files.get(value.kind)
        if file is None:
            file = self._files[value.kind] = MappedFile(self._path_of(value.kind))
        value.move(*file.place(value.key))

    def _note_fork(self) -> None:
        # Another thread of the parent may have held it, and is not here to let it go.
        self.lock = threading.Lock()
        self.forked = True


class MappedValue:
    """One value. prometheus_client makes and uses these objects, so it says what their methods are.

    Attributes:
        files: where all values of this process are.
        kind: of metric; a gauge's with its mode.
        key: what the file calls it.
    """

    _multiprocess = True
    files: ClassVar[SlotFiles]

    def __init__(self, kind: str, *named: Any, multiprocess_mode: str = "", **_: Any) -> None:
        """Go on with the value of that name, or begin at 0.

        Args:
            kind: of metric.
            named: names of metric and series, of labels and their values, and the help text.
            multiprocess_mode: of a gauge.
        """
        self.kind = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
        self.key: str = mmap_key(*named)
        self.files.add(self)

    def move(self, numbers: memoryview[float], position: int) -> None:
        """Be at another place from now on."""
        self._numbers = numbers
        self._position = position

    def inc(self, amount: float) -> None:
        """Add to it."""
        files = self.files
        with files.lock:
            if files.forked:
                files.open_anew()
            self._numbers[self._position] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace it."""
        files = self.files
        with files.lock:
            if files.forked:
                files.open_anew()
            self._numbers[self._position] = value
            self._numbers[self._position + 1] = timestamp or 0.0

    def get(self) -> float:
        """What it is now."""
        files = self.files
        with files.lock:
            if files.forked:
                files.open_anew()
            return self._numbers[self._position]

    def set_exemplar(self, exemplar: object) -> None:
        """Not kept: the files have no place for it."""

    def get_exemplar(self) -> None:
        """There is none."""
