"""The sum over the metric files of all slots, as Prometheus gets it."""

from __future__ import annotations

import logging
import operator
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gte_monitoring.contract import CONTRACT
from gte_monitoring.exposition.file_families import FileFamilies, Values
from gte_monitoring.exposition.metric_files import DamagedFileError, Key, MetricFileReader, set_aside
from gte_monitoring.processes.slots import read_holders
from gte_monitoring.processes.worker_starts import count_set_aside
from gte_monitoring.recording import cells
from gte_monitoring.recording.mapped_values import MappedFile
from gte_monitoring.recording.recorder import OWN_PREFIX

# What an app calls so is its own: the monitor leaves nothing in files under these names.
_TAKEN = {entry.name.removesuffix("_total") for entry in CONTRACT}
# Files that have gone on since an earlier version hold its texts.
_HELP = {entry.name.removesuffix("_total"): entry.help for entry in CONTRACT}
_KINDS = ("counter", "histogram", "summary")
# The gauges that need nothing but to be added up: those of the contract, and maybe some of an app's own.
_SUMMED_GAUGES = "gauge_livesum_"
_log = logging.getLogger(__name__)


class SlotCollector(Collector):
    """Reads the files of a folder anew at each scrape; gauges only those of live workers.

    In an exporter a sum never goes down: what a file had said before it was damaged or lost is carried on in files of
    this folder. A drop would look like a restart, and Prometheus would count all that is left once more.
    """

    def __init__(self, directory: Path, *, alone: bool) -> None:
        """Collect what the workers leave in `directory`.

        Args:
            directory: their folder.
            alone: whether nobody else collects from it; only then lost counts can be carried on.
        """
        self._directory = directory
        self._alone = alone
        self._reader = MetricFileReader()
        self._last: dict[Path, Values] = {}
        self._cells: dict[Key, cells.Cell] = {}
        self._families = FileFamilies()
        self._taken_for_own: set[str] = set()
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Family]:
        """Every metric the workers have recorded, summed."""
        with self._lock:
            return list(self._collect())

    def _collect(self) -> Iterator[Family]:
        sums = {kind: self._sum(kind) for kind in _KINDS}
        yield from self._cell_families(sums["counter"])
        for kind, values in sums.items():
            yield from self._made(kind, values)
        yield from self._gauges()

    def _cell_families(self, counters: dict[Key, float]) -> Iterable[Family]:
        requests: list[tuple[cells.Cell, float]] = []
        seconds: list[tuple[cells.Cell, float]] = []
        tasks: list[str] = []
        for key in list(counters):
            if key.sample == cells.CELL_REQUESTS:
                requests.append((self._cell(key), counters.pop(key)))
            elif key.sample == cells.CELL_SECONDS:
                seconds.append((self._cell(key), counters.pop(key)))
            elif key.sample == f"{OWN_PREFIX}gte_input_tokens_total":
                tasks.append(dict(key.labels)["task_type"])
        return cells.families(requests, seconds, tasks)

    def _cell(self, key: Key) -> cells.Cell:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = cells.Cell(key.labels)
        return cell

    def _made(self, kind: str, values: Values) -> Iterator[Family]:
        by_family: dict[str, dict[Key, float]] = defaultdict(dict)
        for key, value in values.items():
            by_family[key.family][key] = value
        for name, own in by_family.items():
            shown = name.removeprefix(OWN_PREFIX)
            if shown != name or not self._is_taken(name):
                family = self._families.make(kind, shown, own)
                family.documentation = _HELP.get(shown, family.documentation)
                yield family

    def _sum(self, kind: str) -> dict[Key, float]:
        """The values of all files of a kind, added up."""
        carried = self._directory / f"{kind}_carried.db"
        paths = {*self._directory.glob(f"{kind}_*.db"), *(path for path in self._last if path.name.startswith(kind))}
        sums: dict[Key, float] = defaultdict(float)
        # The carried ones last: they may get more while the others are read.
        for path in [*sorted(paths - {carried}), carried]:
            values = self._read(path)
            before = self._last.get(path)
            if before and self._alone and _went_back(before, values):
                _carry_on(carried, before)
                _log.error("%s holds less than it did: what it held is carried on in %s", path, carried.name)
            self._last[path] = values
            for key, value in values.items():
                sums[key] += value
        return sums

    def _read(self, path: Path) -> Values:
        try:
            return self._reader.read(path)
        except FileNotFoundError:
            return {}
        except DamagedFileError as error:
            try:
                aside = set_aside(path)
            except FileNotFoundError:
                # Somebody else was faster, and has counted it.
                return {}
            count_set_aside(self._directory)
            _log.error(
                "metric file %s is damaged (%s): set aside as %s. Reload gunicorn (SIGHUP): a worker that still "
                "writes to it is not counted any more.", path, error, aside.name,
            )  # fmt: skip
            return {}

    def _gauges(self) -> Iterator[Family]:
        live = {str(holder.slot) for holder in read_holders(self._directory) if holder.alive}
        sums: dict[Key, float] = defaultdict(float)
        others: list[str] = []
        for path in sorted(self._directory.glob("gauge_*.db")):
            if path.stem.rpartition("_")[2] not in live:
                continue
            values = self._read(path)
            if not path.name.startswith(_SUMMED_GAUGES):
                others += [str(path)] if values else []
                continue
            for key, value in values.items():
                sums[key] += value
        yield from self._made("gauge", sums)
        try:
            merged: Iterable[Family] = MultiProcessCollector.merge(others)  # type: ignore[no-untyped-call]
        except FileNotFoundError:
            # A worker that took a slot this very moment dropped its gauges.
            return
        yield from (family for family in merged if not self._is_taken(family.name))

    def _is_taken(self, name: str) -> bool:
        if name in _TAKEN and name not in self._taken_for_own:
            self._taken_for_own.add(name)
            _log.warning("the app has a metric %s of its own: it is left out, the monitor has one of that name", name)
        return name in _TAKEN


def _went_back(before: Values, now: Values) -> bool:
    if not any(map(operator.gt, before.values(), now.values())) and before.keys() <= now.keys():
        # Values are in the order of the file, which only ever gets longer.
        return False
    # The sum of a histogram may go down by itself: observations may be negative.
    return any(value > now.get(key, 0.0) for key, value in before.items() if not key.sample.endswith("_sum"))


def _carry_on(path: Path, values: Values) -> None:
    file = MappedFile(path)
    for key, value in values.items():
        names, own = [name for name, _ in key.labels], [text for _, text in key.labels]
        entry = mmap_key(key.family, key.sample, names, own, key.help)
        numbers, position = file.place(entry)
        numbers[position] += value
    file.close()
