"""The sum over the metric files of all slots, as Prometheus gets it."""

from __future__ import annotations

import logging
import operator
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gte_service.monitoring import cells
from gte_service.monitoring.census import count_set_aside
from gte_service.monitoring.contract import CONTRACT
from gte_service.monitoring.metric_files import DamagedFileError, Key, MetricFileReader, set_aside
from gte_service.monitoring.slots import read_holders

Values = Mapping[Key, float]

# What the monitor never leaves in files under these names; an app may have metrics of its own that are called so.
_MADE_ELSEWHERE = {entry.name.removesuffix("_total") for entry in CONTRACT if entry.origin != "worker"}
_KINDS = ("counter", "histogram", "summary")
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
        self._cell_labels: dict[Key, cells.Labels] = {}
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
            by_family: dict[str, dict[Key, float]] = defaultdict(dict)
            for key, value in values.items():
                by_family[key.family][key] = value
            for name, own in by_family.items():
                if own and not self._is_taken(name):
                    yield _family(kind, name, own)
        yield from (family for family in self._gauges() if not self._is_taken(family.name))

    def _cell_families(self, counters: dict[Key, float]) -> Iterable[Family]:
        requests: dict[cells.Labels, float] = {}
        seconds: dict[cells.Labels, float] = {}
        labels_of = self._labels_of
        tasks = [dict(key.labels)["task_type"] for key in counters if key.sample == "gte_input_tokens_total"]
        for key in list(counters):
            if key.sample == cells.CELL_REQUESTS:
                requests[labels_of(key)] = counters.pop(key)
            elif key.sample == cells.CELL_SECONDS:
                seconds[labels_of(key)] = counters.pop(key)
        return cells.families(requests, seconds, tasks)

    def _labels_of(self, key: Key) -> cells.Labels:
        labels = self._cell_labels.get(key)
        if labels is None:
            labels = self._cell_labels[key] = cells.labels_of(key.labels)
        return labels

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

    def _gauges(self) -> Iterable[Family]:
        live = {str(holder.slot) for holder in read_holders(self._directory) if holder.alive}
        paths = [path for path in self._directory.glob("gauge_*.db") if path.stem.rpartition("_")[2] in live]
        sound = [str(path) for path in sorted(paths) if self._read(path)]
        try:
            merged: Iterable[Family] = MultiProcessCollector.merge(sound)  # type: ignore[no-untyped-call]
        except FileNotFoundError:
            # A worker that took a slot this very moment dropped its gauges.
            return ()
        return merged

    def _is_taken(self, name: str) -> bool:
        if name in _MADE_ELSEWHERE and name not in self._taken_for_own:
            self._taken_for_own.add(name)
            _log.warning("the app has a metric %s of its own: it is left out, the monitor has one of that name", name)
        return name in _MADE_ELSEWHERE


def _went_back(before: Values, now: Values) -> bool:
    if not any(map(operator.gt, before.values(), now.values())) and before.keys() <= now.keys():
        # Values are in the order of the file, which only ever gets longer.
        return False
    # The sum of a histogram may go down by itself: observations may be negative.
    return any(value > now.get(key, 0.0) for key, value in before.items() if not key.sample.endswith("_sum"))


def _carry_on(path: Path, values: Values) -> None:
    file = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    for key, value in values.items():
        names, own = [name for name, _ in key.labels], [text for _, text in key.labels]
        entry = mmap_key(key.family, key.sample, names, own, key.help)
        carried, _ = file.read_value(entry)  # type: ignore[no-untyped-call]
        file.write_value(entry, carried + value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]


def _family(kind: str, name: str, values: Values) -> Family:
    text = next(iter(values)).help
    if kind == "histogram":
        return _histogram(name, text, values)
    family = (CounterMetricFamily if kind == "counter" else SummaryMetricFamily)(name, text)
    for key, value in values.items():
        family.add_sample(key.sample, dict(key.labels), value)
    return family


def _histogram(name: str, text: str, values: Values) -> HistogramMetricFamily:
    """A histogram from files, where each bucket holds only what is in no smaller one."""
    buckets: dict[cells.Labels, dict[float, float]] = defaultdict(dict)
    sums: dict[cells.Labels, float] = {}
    labels: dict[cells.Labels, dict[str, str]] = {}
    for key, value in values.items():
        own = dict(key.labels)
        bound = own.pop("le", "")
        identity = tuple(own.values())
        labels[identity] = own
        if bound:
            buckets[identity][float(bound)] = value
        else:
            sums[identity] = value
    family = HistogramMetricFamily(name, text)
    for identity, counts in buckets.items():
        below = 0.0
        for upper, count in sorted(counts.items()):
            below += count
            le = floatToGoString(upper)  # type: ignore[no-untyped-call]
            family.add_sample(f"{name}_bucket", labels[identity] | {"le": le}, below)
        family.add_sample(f"{name}_count", labels[identity], below)
        family.add_sample(f"{name}_sum", labels[identity], sums.get(identity, 0.0))
    return family
