"""Serves /metrics from a process of its own, so that a hung or dead server can still be seen."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gte_service.monitoring.contract import metric
from gte_service.monitoring.slots import SlotHolder, read_holders
from gte_service.procfs import ProcessFigures, read_figures

_log = logging.getLogger(__name__)


class SlotCollector(Collector):
    """The sum over the metric files of all slots; gauges only of live workers."""

    def __init__(self, directory: Path) -> None:
        """Read the files of `directory` anew at each scrape."""
        self._directory = directory

    def collect(self) -> Iterable[Family]:
        """Every metric the workers have recorded, summed."""
        live = {str(holder.slot) for holder in read_holders(self._directory) if holder.alive}
        files = [
            str(path)
            for path in sorted(self._directory.glob("*.db"))
            if not path.name.startswith("gauge_") or path.stem.rpartition("_")[2] in live
        ]
        merged: Iterable[Family] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


class ProcessCollector(Collector):
    """The figures of the processes themselves, which prometheus_client leaves out with several workers."""

    def __init__(self, directory: Path, workers: int) -> None:
        """Look at the workers that hold slots in `directory`, at their parent, and at this process.

        Args:
            directory: where the slots are.
            workers: how many workers are meant to run; starts beyond that are restarts.
        """
        self._directory = directory
        self._workers = workers

    def collect(self) -> Iterable[Family]:
        """Worker counts, and CPU, memory and files of each live process."""
        holders = list(read_holders(self._directory))
        live = [holder for holder in holders if holder.alive]
        yield gauge("gte_workers", len(live))
        restarts = max(0, sum(holder.starts for holder in holders) - self._workers)
        yield counter("gte_worker_restarts_total", [((), restarts)])
        figures = dict(_named_figures(live))
        for name, field in (
            ("gte_process_resident_memory_bytes", "resident_bytes"),
            ("gte_process_proportional_memory_bytes", "proportional_bytes"),
            ("gte_process_open_fds", "open_files"),
        ):
            yield gauges(name, [((process,), getattr(figure, field)) for process, figure in figures.items()])
        yield counter(
            "gte_process_cpu_seconds_total", [((process,), figure.cpu_seconds) for process, figure in figures.items()]
        )


def gauge(name: str, value: float) -> GaugeMetricFamily:
    """A gauge of the contract without labels."""
    return gauges(name, [((), value)])


def gauges(name: str, samples: Iterable[tuple[Sequence[str], float]]) -> GaugeMetricFamily:
    """A gauge of the contract, from label values and values."""
    entry = metric(name)
    family = GaugeMetricFamily(name, entry.help, labels=entry.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def counter(name: str, samples: Iterable[tuple[Sequence[str], float]]) -> CounterMetricFamily:
    """A counter of the contract, from label values and values."""
    entry = metric(name)
    family = CounterMetricFamily(name, entry.help, labels=entry.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def serve(
    directory: Path, port: int, workers: int, collectors: Sequence[Collector] = (), address: str = "0.0.0.0"
) -> tuple[WSGIServer, threading.Thread]:
    """Serve the metrics of all workers on a port of their own, in a thread.

    Args:
        directory: where the workers keep their metric files.
        port: TCP port; 0 takes a free one.
        workers: how many workers are meant to run.
        collectors: what else to show.
        address: where to listen.

    Returns:
        the server and its thread.

    Raises:
        OSError: the port is taken.
    """
    directory.mkdir(parents=True, exist_ok=True)
    registry = CollectorRegistry()
    for collector in (SlotCollector(directory), ProcessCollector(directory, workers), *collectors):
        registry.register(collector)
    server, thread = start_http_server(port, addr=address, registry=registry)
    _log.info("metrics on port %d", server.server_port)
    return server, thread


def _named_figures(live: Sequence[SlotHolder]) -> Iterable[tuple[str, ProcessFigures]]:
    workers = {f"worker-{holder.slot}": read_figures(holder.pid) for holder in live}
    # All workers have one parent; which slots they hold changes with every reload.
    parents = {figures.parent for figures in workers.values() if figures}
    others = {"exporter": read_figures(os.getpid()), "master": read_figures(max(parents)) if parents else None}
    for process, figures in (workers | others).items():
        if figures:
            yield process, figures
