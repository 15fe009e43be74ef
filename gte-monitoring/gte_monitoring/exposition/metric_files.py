"""Reads the files that prometheus_client maps into memory, and sets aside what is damaged.

The format, as `prometheus_client.mmap_dict` writes it, all numbers in the machine's order: how many bytes are used
(int32) and four bytes of padding; then entries of the key's length (int32), the key (JSON, padded with blanks so that
what follows is aligned to eight bytes), its value and its timestamp (two float64). Entries are only ever added, and
`used` grows after an entry is whole, so a file can be read while its worker writes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

_INT = Struct("i")
HEADER_BYTES = 8
_VALUE_AND_TIMESTAMP_BYTES = 16
# Beyond what the contract and many metrics of one's own need, so that files seldom grow.
_RESERVED_BYTES = 1 << 18
# Most files are read in one piece.
_FIRST_PIECE_BYTES = 1 << 16


Labels = tuple[tuple[str, str], ...]


class DamagedFileError(Exception):
    """A metric file can't be what a worker wrote; the message says why."""


@dataclass(frozen=True, eq=False)
class Key:
    """What a value belongs to. Equal keys are one object within a reader.

    Attributes:
        family: name of the metric.
        sample: name of the series.
        labels: names and values, in the order of names.
        help: the metric's help text.
    """

    family: str
    sample: str
    labels: Labels
    help: str


class MetricFileReader:
    """Reads metric files again and again.

    Files seldom get new entries, so what the last reading learnt of a file's layout serves for the next: then all its
    keys and values are unpacked by one call, and the keys compared with the known ones.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._layouts: dict[Path, _Layout] = {}
        self._keys: dict[tuple[str, str, Labels], Key] = {}

    def read(self, path: Path) -> dict[Key, float]:
        """The values of a file; none while a worker is just making it.

        Raises:
            DamagedFileError: it holds something that no worker writes.
            OSError: it can't be read.
        """
        data, used = _used_bytes(path)
        layout = self._layouts.get(path)
        if layout is None or layout.used != used or (values := layout.values(data)) is None:
            layout = self._layouts[path] = self._learn(data, used)
            values = layout.values(data) or ()
        if not path.name.startswith("gauge_") and not math.isfinite(sum(values)):
            raise DamagedFileError("it holds a number that is not finite")
        if layout.unique:
            return dict(zip(layout.keys, values, strict=True))
        sums = dict.fromkeys(layout.keys, 0.0)
        for key, value in zip(layout.keys, values, strict=True):
            sums[key] += value
        return sums

    def _learn(self, data: bytes, used: int) -> _Layout:
        keys: list[Key] = []
        sizes: list[int] = []
        position = HEADER_BYTES
        for begin, _, value_at in entries(data[:used]):
            try:
                family, sample, labels, text = json.loads(data[begin:value_at])
                identity = (str(family), str(sample), tuple(sorted((str(k), str(v)) for k, v in labels.items())))
            except (ValueError, TypeError, AttributeError) as error:
                raise DamagedFileError(f"the entry at byte {position} has no readable key") from error
            # A new version of a program may have another help text: then the series goes on in a second entry.
            keys.append(self._keys.setdefault(identity, Key(*identity, str(text))))
            sizes.append(value_at - position)
            position = value_at + _VALUE_AND_TIMESTAMP_BYTES
        return _Layout(used, keys, Struct("=" + "".join(f"{size}sd8x" for size in sizes)), data)


class _Layout:
    """Where the keys and values of a file are."""

    def __init__(self, used: int, keys: list[Key], entries: Struct, data: bytes) -> None:
        self.used = used
        self.keys = keys
        self.unique = len(set(keys)) == len(keys)
        self._entries = entries
        self._raw_keys = entries.unpack_from(data, HEADER_BYTES)[::2] if keys else ()

    def values(self, data: bytes) -> tuple[float, ...] | None:
        """The values, or None when there are other keys than these."""
        if not self.keys:
            return ()
        fields = self._entries.unpack_from(data, HEADER_BYTES)
        return fields[1::2] if fields[::2] == self._raw_keys else None


def entries(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each entry's key begins and ends and where its value is, in the used bytes of a file.

    Raises:
        DamagedFileError: an entry is not whole.
    """
    position = HEADER_BYTES
    while position < len(data):
        length = _INT.unpack_from(data, position)[0]
        begin = position + _INT.size
        value_at = -(-(begin + length + 1) // 8) * 8
        if length <= 0 or value_at + _VALUE_AND_TIMESTAMP_BYTES > len(data):
            raise DamagedFileError(f"the entry at byte {position} reaches beyond the end")
        yield begin, begin + length, value_at
        position = value_at + _VALUE_AND_TIMESTAMP_BYTES


def encoded_entry(key: bytes) -> bytes:
    """An entry as files hold it, its value and timestamp 0."""
    blanks = 8 - (_INT.size + len(key)) % 8
    return _INT.pack(len(key)) + key + b" " * blanks + bytes(_VALUE_AND_TIMESTAMP_BYTES)


def _used_bytes(path: Path) -> tuple[bytes, int]:
    with path.open("rb", buffering=0) as file:
        data = file.read(_FIRST_PIECE_BYTES)
        used = _INT.unpack_from(data)[0] if len(data) >= HEADER_BYTES else 0
        if used > len(data):
            data += file.read(used - len(data))
    if used > len(data) or used < 0 or used % 8:
        raise DamagedFileError(f"{used} bytes are said to be used of {len(data)}")
    return data, used


def reserve(path: Path) -> None:
    """Make a metric file with disk space of its own, or leave one that is there as it is.

    Raises:
        OSError: there is no space, or the folder can't be written.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.fstat(handle).st_size < HEADER_BYTES:
            os.ftruncate(handle, 0)
            give_space(handle, _RESERVED_BYTES)
    finally:
        os.close(handle)


def give_space(handle: int, size: int) -> None:
    """Make an open file that long, with disk space for all of it: a store into a hole of a full disk ends the process.

    Raises:
        OSError: there is no space.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        # Not on macOS; holes are the lesser evil there.
        os.ftruncate(handle, size)


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that nobody reads it again; an earlier one of that name gives way.

    Returns:
        where it is now.
    """
    aside = path.with_suffix(".damaged")
    path.replace(aside)
    return aside
