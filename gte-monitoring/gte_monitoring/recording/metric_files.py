"""Reads the files that prometheus_client maps into memory, and sets damaged ones aside."""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gte_monitoring.private_parts import entries

_HEADER_BYTES = 8
Labels = tuple[tuple[str, str], ...]


class DamagedFileError(Exception):
    """A metric file can't be what a worker wrote; the message says why."""


@dataclass(frozen=True, eq=False)
class Series:
    """A series of a metric file. Equal series are one object.

    Attributes:
        family: name of the metric.
        sample: name of the sample.
        labels: names and values, in the order of names.
        help: the metric's help text, as the first file that was read has it.
    """

    family: str
    sample: str
    labels: Labels
    help: str


@dataclass(frozen=True)
class Contents:
    """What a metric file held when it was read.

    Attributes:
        raw: its used bytes, which are a metric file themselves.
        inode: tells it from an earlier file of the same name.
        values: by series.
    """

    raw: bytes
    inode: int
    values: dict[Series, float]


def read_metric_file(path: Path, before: Contents | None = None) -> Contents:
    """Read a file, also while its worker writes to it: entries are only ever added, and counted when they are complete.

    Args:
        path: of the file.
        before: what it held at an earlier reading; returned as it is when no byte has changed.

    Raises:
        DamagedFileError: it holds something that no worker writes.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        inode, data = os.fstat(file.fileno()).st_ino, file.read()
    # A worker that is just making the file has not written the header yet.
    used = struct.unpack_from("i", data)[0] if len(data) >= _HEADER_BYTES else 0
    if used > len(data) or used < 0 or used % 8:
        raise DamagedFileError(f"its header says that {used} of {len(data)} bytes are used")
    raw = data[:used]
    if before and (before.inode, before.raw) == (inode, raw):
        return before
    values: dict[Series, float] = {}
    try:
        for key, value in entries(raw) if used else ():
            # A new version of a program may have another help text: then the series goes on in a second entry.
            series = _series(key)
            values[series] = values.get(series, 0.0) + value
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedFileError(str(error)) from error
    if not path.name.startswith("gauge_") and not math.isfinite(sum(values.values())):
        raise DamagedFileError("it holds a number that is not finite")
    return Contents(raw, inode, values)


@lru_cache(maxsize=1 << 16)
def _series(key: str) -> Series:
    family, sample, labels, text = json.loads(key)
    return _same_series(str(family), str(sample), tuple((str(k), str(v)) for k, v in labels.items()), str(text))


_known: dict[tuple[str, str, Labels], Series] = {}


def _same_series(family: str, sample: str, labels: Labels, text: str) -> Series:
    return _known.setdefault((family, sample, labels), Series(family, sample, labels, text))


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that it is not read again; an earlier one of that name is replaced.

    Returns:
        where it is now.
    """
    aside = path.with_suffix(".damaged")
    path.replace(aside)
    return aside
