"""The sum over the metric files of all slots, as Prometheus gets it."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gte_monitoring.contract import GENERAL, Metric
from gte_monitoring.exposition.last_read import LastRead
from gte_monitoring.exposition.request_families import request_families
from gte_monitoring.private_parts import accumulated
from gte_monitoring.processes.slots import read_holders
from gte_monitoring.processes.worker_starts import count_set_aside
from gte_monitoring.recording.metric_files import Contents, DamagedFileError, Series, read_metric_file, set_aside
from gte_monitoring.recording.recorder import MONITOR_PREFIX
from gte_monitoring.recording.request_series import REQUESTS, SECONDS

_KINDS = ("counter", "histogram", "summary")
# Every task has a series of this metric from the start.
_TASKS = f"{MONITOR_PREFIX}gte_input_tokens_total"
_log = logging.getLogger(__name__)


class SlotCollector(Collector):
    """Reads the files of a folder anew at each scrape; gauges only those of live workers."""

    def __init__(self, directory: Path, metrics: Iterable[Metric] = (), *, alone: bool) -> None:
        """Collect what the workers leave in `directory`.

        Args:
            directory: their folder.
            metrics: the contract's entries besides the general ones.
            alone: whether nobody else collects from it; only then the counts of lost files can be carried on.
        """
        self._directory = directory
        self._last_read = LastRead(directory) if alone else None
        # Metrics with these names in the files are the app's; the monitor stores its own under a prefix.
        self._help = {entry.name.removesuffix("_total"): entry.help for entry in (*GENERAL.values(), *metrics)}
        self._left_out: set[str] = set()
        self._contents: dict[Path, Contents] = {}
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Family]:
        """Every metric the workers have recorded, summed."""
        with self._lock:
            return list(self._collect())

    def _collect(self) -> Iterator[Family]:
        sums = {kind: self._sum(kind) for kind in _KINDS}
        tasks = [dict(series.labels)["task_type"] for series in sums["counter"] if series.sample == _TASKS]
        yield from request_families(sums["counter"].items(), tasks)
        families: dict[str, Family] = {}
        for kind, values in sums.items():
            for series, value in values.items():
                if series.sample not in (REQUESTS, SECONDS):
                    family = families.setdefault(series.family, Family(series.family, series.help, kind))
                    family.add_sample(series.sample, series.labels, value)  # type: ignore[arg-type]  # as the library does
        yield from self._shown(accumulated(families))
        yield from self._shown(self._gauges())

    def _sum(self, kind: str) -> dict[Series, float]:
        """The values of all files of a kind, added up."""
        paths = set(self._directory.glob(f"{kind}_*.db"))
        if self._last_read:
            paths |= self._last_read.paths(kind)
        sums: dict[Series, float] = defaultdict(float)
        for path in sorted(paths):
            contents = self._read(path)
            carried = self._last_read.update(path, contents) if self._last_read else {}
            for values in (contents.values if contents else {}, carried):
                for series, value in values.items():
                    sums[series] += value
        return sums

    def _gauges(self) -> Iterable[Family]:
        live = {str(holder.slot) for holder in read_holders(self._directory) if holder.alive}
        files = [path for path in sorted(self._directory.glob("gauge_*.db")) if path.stem.rpartition("_")[2] in live]
        # Read for damage, which the library would not survive.
        readable = [str(path) for path in files if (contents := self._read(path)) and contents.values]
        merged: Iterable[Family] = MultiProcessCollector.merge(readable)  # type: ignore[no-untyped-call]
        return merged

    def _read(self, path: Path) -> Contents | None:
        """What a file holds, None if it is gone, as with its volume, or damaged."""
        before = self._contents.pop(path, None)
        try:
            self._contents[path] = contents = read_metric_file(path, before)
        except OSError:
            return None
        except DamagedFileError as error:
            try:
                aside = set_aside(path)
            except OSError:
                # A starting worker was faster, and has counted it; or nothing can be written there.
                return None
            count_set_aside(self._directory)
            _log.error(
                "metric file %s is damaged (%s): set aside as %s. Reload gunicorn (SIGHUP): a worker that still "
                "writes to it is not counted any more.", path, error, aside.name,
            )  # fmt: skip
            return None
        return contents

    def _shown(self, families: Iterable[Family]) -> Iterator[Family]:
        """The monitor's metrics under their public names, and those of the app that have a name of their own."""
        for family in families:
            name = family.name.removeprefix(MONITOR_PREFIX)
            if name != family.name:
                family.name = name
                # Files that have gone on since an earlier version hold its texts.
                family.documentation = self._help.get(name, family.documentation)
                family.samples = [
                    sample._replace(name=sample.name.removeprefix(MONITOR_PREFIX)) for sample in family.samples
                ]
                yield family
            elif name not in self._help:
                yield family
            elif name not in self._left_out:
                self._left_out.add(name)
                _log.warning(
                    "the app has a metric %s of its own: it is left out, the monitor has one of that name", name
                )
