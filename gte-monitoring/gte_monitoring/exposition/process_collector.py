"""The figures of the server's processes, which prometheus_client leaves out with several workers."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from gte_monitoring.contract import GENERAL
from gte_monitoring.exposition.families import family
from gte_monitoring.processes.backlog import read_backlog
from gte_monitoring.processes.heartbeat import heartbeat_age
from gte_monitoring.processes.procfs import ProcessFigures, children, proportional_bytes, read_figures
from gte_monitoring.processes.slots import read_holders
from gte_monitoring.processes.worker_starts import WorkerStarts, read_worker_starts

_PSS_SECONDS = 30.0
_FIGURES: Mapping[str, Callable[[ProcessFigures], float]] = {
    "gte_process_resident_memory_bytes": lambda figures: figures.resident_bytes,
    "gte_process_open_fds": lambda figures: len(figures.open_files),
    "gte_process_threads": lambda figures: figures.threads,
    "gte_process_start_time_seconds": lambda figures: figures.started,
    "gte_process_cpu_seconds_total": lambda figures: figures.cpu_seconds,
}


class ProcessCollector(Collector):
    """How many workers there are, whether they answer, what waits for them, and what each process uses."""

    def __init__(self, directory: Path, others: Mapping[str, int] | None = None) -> None:
        """Look at the workers that hold slots in `directory`, at their master, and at this process.

        Args:
            directory: where the slots are.
            others: process ids of what else belongs to the server, by name.
        """
        self._directory = directory
        self._others = {"exporter": os.getpid(), **(others or {})}
        self._memory = _Memory()
        self._starts = WorkerStarts()

    def collect(self) -> Iterable[Family]:
        """The server's state first, then each process's figures."""
        starts = read_worker_starts(self._directory)
        # The folder may be gone while the server lives.
        self._starts = starts = starts if starts != WorkerStarts() else self._starts
        figures = self._figures(starts.living_master)
        ages = {
            process: age
            for process, (pid, of_process) in figures.items()
            if _is_worker(process) and (age := heartbeat_age(pid, of_process)) is not None
        }
        yield family(GENERAL["gte_workers"], sum(map(_is_worker, figures)))
        measured = {holder.pid for holder in read_holders(self._directory)}
        unmeasured = [pid for process, (pid, _) in figures.items() if _is_worker(process) and pid not in measured]
        yield family(GENERAL["gte_unmeasured_workers"], len(unmeasured))
        yield family(GENERAL["gte_server_up"], float(_answers(figures, ages, starts.patience_seconds)))
        yield family(GENERAL["gte_worker_heartbeat_age_seconds"], [((process,), age) for process, age in ages.items()])
        yield family(GENERAL["gte_worker_restarts_total"], starts.restarts)
        yield family(GENERAL["gte_metric_files_set_aside_total"], starts.set_aside)
        if starts.begun:
            yield family(GENERAL["gte_counters_start_time_seconds"], starts.begun)
        yield family(GENERAL["gte_backlog_connections"], _waiting(figures))
        yield family(GENERAL["flask_exporter_info"], [((_package_version(),), 1.0)])
        yield from self._process_families(figures)

    def _process_families(self, figures: Mapping[str, tuple[int, ProcessFigures]]) -> Iterable[Family]:
        memory = self._memory.look({process: pid for process, (pid, _) in figures.items()})
        yield family(
            GENERAL["gte_process_proportional_memory_bytes"], [((process,), size) for process, size in memory.items()]
        )
        for name, figure in _FIGURES.items():
            samples = [((process,), figure(of_process)) for process, (_, of_process) in figures.items()]
            yield family(GENERAL[name], samples)

    def _figures(self, master: int) -> dict[str, tuple[int, ProcessFigures]]:
        pids = {f"worker-{holder.slot}": holder.pid for holder in read_holders(self._directory) if holder.alive}
        # Workers without a slot get the numbers that they would have with one.
        free = (number for number in itertools.count() if f"worker-{number}" not in pids)
        known = {*pids.values(), *self._others.values()}
        for pid in children(master) if master else ():
            if pid not in known and (found := read_figures(pid)) and heartbeat_age(pid, found) is not None:
                pids[f"worker-{next(free)}"] = pid
        # A worker may serve its own metrics.
        pids |= {process: pid for process, pid in self._others.items() if pid not in pids.values()}
        if master:
            pids["master"] = master
        of_pids = {process: (pid, figures) for process, pid in pids.items() if (figures := read_figures(pid))}
        # An app that gunicorn loads before it forks makes the master hold a slot.
        parents = {figures.parent for process, (_, figures) in of_pids.items() if _is_worker(process)}
        return {
            process: (pid, figures)
            for process, (pid, figures) in of_pids.items()
            if pid not in parents or not _is_worker(process)
        }


class _Memory:
    """PSS by process. The first time a scrape waits for it, later it shows what a thread has found out meanwhile.

    The kernel walks all pages for it: some 50 ms for a worker with the large model.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()

    def look(self, pids: Mapping[str, int]) -> dict[str, int]:
        with self._lock:
            self._known = {pid: known for pid, known in self._known.items() if pid in pids.values()}
            unseen = [pid for pid in pids.values() if pid not in self._known]
            stale = any(time.monotonic() - at > _PSS_SECONDS for at, _ in self._known.values())
        for pid in unseen:
            self._read(pid)
        if stale and self._looking.acquire(blocking=False):
            threading.Thread(target=self._look_again, args=(list(pids.values()),), name="pss", daemon=True).start()
        with self._lock:
            return {process: self._known[pid][1] for process, pid in pids.items() if pid in self._known}

    def _look_again(self, pids: list[int]) -> None:
        try:
            for pid in pids:
                self._read(pid)
        finally:
            self._looking.release()

    def _read(self, pid: int) -> None:
        if (size := proportional_bytes(pid)) is not None:
            with self._lock:
                self._known[pid] = (time.monotonic(), size)


def _is_worker(process: str) -> bool:
    return process.startswith("worker-")


def _answers(
    figures: Mapping[str, tuple[int, ProcessFigures]], ages: Mapping[str, float], patience_seconds: float
) -> bool:
    """Whether some worker is neither stopped nor behind with its heartbeat, where it has one."""
    return any(
        not of_process.stopped and ages.get(process, 0.0) <= patience_seconds
        for process, (_, of_process) in figures.items()
        if _is_worker(process)
    )


def _waiting(figures: Mapping[str, tuple[int, ProcessFigures]]) -> list[tuple[tuple[str], float]]:
    inodes = {
        int(target.removeprefix("socket:[").removesuffix("]"))
        for process, (_, of_process) in figures.items()
        if process == "master" or _is_worker(process)
        for target in of_process.open_files.values()
        if target.startswith("socket:[")
    }
    backlog = read_backlog(inodes)
    return [(("accept",), backlog.accept), (("unread",), backlog.unread)] if backlog else []


def _package_version() -> str:
    try:
        return version("gte-monitoring")
    except PackageNotFoundError:
        return "unknown"
