"""Remembers what each metric file held at the last scrape, so that the counts of a lost or damaged file stay.

A sum that falls would look like a restart to Prometheus, which would then count all that is left once more. A copy of
what was shown lies beside each file, `counter_3.<inode>.seen` beside `counter_3.db`, so that an exporter that starts
later knows it too. When the file is lost, its copy is renamed to a metric file of its own, which is added to every sum
from then on. Only one exporter of a folder may do so: the one that holds its lock.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from gte_monitoring.recording.metric_files import Contents, DamagedFileError, Series, read_metric_file

_log = logging.getLogger(__name__)


class LastRead:
    """What the files of a folder held when they were last read."""

    def __init__(self, directory: Path) -> None:
        """Take up what an earlier exporter has left."""
        self._directory = directory
        self._known: dict[Path, Contents] = {}
        self._in_memory: set[Path] = set()
        for copy in directory.glob("*.seen"):
            name, inode, _ = copy.name.split(".")
            try:
                found = read_metric_file(copy)
            except DamagedFileError as error:
                _log.error("%s is damaged (%s) and removed: only the file it is a copy of counts now", copy, error)
                copy.unlink()
            else:
                self._known[directory / f"{name}.db"] = Contents(found.raw, int(inode), found.values)

    def paths(self, kind: str) -> set[Path]:
        """The files of a kind that are known, those that are gone included."""
        return {path for path in self._known if path.name.startswith(f"{kind}_")}

    def update(self, path: Path, now: Contents | None) -> dict[Series, float]:
        """Compare a file with what it held before, and remember what it holds now.

        A file with the same inode and lower counts was rolled back by a crash of the machine: it is taken as it is.

        Args:
            path: of the file.
            now: what it holds, None if it is gone or damaged.

        Returns:
            the values to add to the sum because they are not in the file any more.
        """
        known = self._known.get(path)
        lost = known is not None and (now is None or now.inode != known.inode or (known.raw and not now.raw))
        if known and lost:
            kind = path.name.split("_")[0]
            carried = self._directory / f"{kind}_carried-{time.time_ns()}.db"
            try:
                self._copy(path, known).rename(carried)
            except OSError as error:
                if path not in self._in_memory:
                    self._in_memory.add(path)
                    _log.error("what %s held is kept in memory only: %s can't be written: %s", path, carried, error)
                return known.values
            _log.error("%s is lost: what it held goes on in %s", path, carried.name)
            del self._known[path]
        if now and now != self._known.get(path):
            self._remember(path, now)
        return known.values if known and lost else {}

    def _remember(self, path: Path, now: Contents) -> None:
        self._known[path] = now
        unfinished = path.with_suffix(".unfinished")
        try:
            unfinished.write_bytes(now.raw)
            unfinished.rename(self._copy(path, now))
        except OSError:
            # A full disk: the copy of an earlier scrape has to do.
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _copy(self, path: Path, contents: Contents) -> Path:
        return path.with_name(f"{path.stem}.{contents.inode}.seen")
