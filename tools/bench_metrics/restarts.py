"""What restarts of workers leave behind: files, and time that each scrape takes longer for them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gte_monitoring.exposition.exporter import Exposition, exposition
from tools.bench_metrics.child import Child
from tools.bench_metrics.console import say
from tools.bench_metrics.kinds import few
from tools.bench_metrics.workers import WORKERS

_EVERY = 10


@dataclass(frozen=True)
class Folder:
    """A folder of metric files.

    Attributes:
        files: how many there are in it, all counted.
        size: bytes of them, together.
        seconds: what some scrapes of it took, without HTTP.
    """

    files: int
    size: int
    seconds: list[float]


@dataclass(frozen=True)
class Restarts:
    """What restarts did to a folder.

    Attributes:
        restarts: how many.
        before: the folder of four workers of whom none was restarted.
        after: the folder after the restarts.
        recorded: requests, over all workers that ever lived.
        difference: how many more or fewer there are in the metrics; the largest of those that count requests.
    """

    restarts: int
    before: Folder
    after: Folder
    recorded: int
    difference: float


def measure_slots(restarts: int, scrapes: int, memory: Path) -> Restarts:
    """Restart workers that write under slots.

    Scrapes of this folder and of one whose workers were never restarted are taken in turn, after all restarts.
    """
    with (
        _folder(memory) as calm, _folder(memory) as busy,
        Child("workers", str(calm), "slots", "few"), Child("workers", str(busy), "slots", "few") as workers,
    ):  # fmt: skip
        before = _listed(busy)
        _restart(workers, restarts, "restarts, by slot")
        after = _listed(busy)
        say(f"restarts, by slot: {scrapes} scrapes of both folders in turn")
        shown = {folder: exposition(folder) for folder in (calm, busy)}
        seconds: dict[Path, list[float]] = {folder: [] for folder in shown}
        for _ in range(scrapes):
            for folder, exposed in shown.items():
                seconds[folder].append(_scrape(exposed))
        lives = WORKERS + restarts
        kinds = list(few())
        return Restarts(
            restarts,
            Folder(*before, seconds[calm]),
            Folder(*after, seconds[busy]),
            lives * len(kinds),
            _difference(shown[busy], lives * len(kinds), lives * sum(bool(kind.task_type) for kind in kinds)),
        )


def measure_pids(restarts: int, scrapes: int, memory: Path) -> Restarts:
    """Restart workers that write under their process ids, as prometheus_client does by itself."""
    with _folder(memory) as folder:
        environ = dict(os.environ) | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
        with Child("workers", str(folder), "pids", "few", environ=environ) as workers:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
            before = Folder(*_listed(folder), [_scrape(registry) for _ in range(scrapes)])
            _restart(workers, restarts, "restarts, by process id")
            after = Folder(*_listed(folder), [_scrape(registry) for _ in range(scrapes)])
            recorded = (WORKERS + restarts) * len(list(few()))
            return Restarts(restarts, before, after, recorded, 0.0)


def _restart(workers: Child, restarts: int, what: str) -> None:
    done = 0
    for part in range(1, _EVERY + 1):
        say(f"{what}: {done} of {restarts}")
        upto = restarts * part // _EVERY
        workers.ask("restart", upto - done)
        done = upto


def _scrape(shown: Exposition | CollectorRegistry) -> float:
    begun = time.perf_counter()
    generate_latest(shown)
    return time.perf_counter() - begun


def _difference(shown: Exposition, requests: int, tasks: int) -> float:
    """The largest difference, of either sign, among all metrics that count requests."""
    sums: dict[str, float] = {}
    for family in shown.collect():
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    differences = [
        sums[name] - requests for name in ("flask_http_request_total", "flask_http_request_duration_seconds_count")
    ]
    differences += [sums[name] - tasks for name in ("gte_task_requests_total", "gte_task_latency_seconds_count")]
    return max(differences, key=abs)


def _listed(folder: Path) -> tuple[int, int]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files if path.suffix == ".db")


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="metrics-benchmark-", dir=parent) as folder:
        yield Path(folder)
