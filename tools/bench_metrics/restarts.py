"""What restarts of workers leave behind: files, time of each scrape, and requests that are missing or too many."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tools.bench_metrics.processes import folder
from tools.bench_metrics.report import Row
from tools.bench_metrics.scrape import exporter, scrape
from tools.bench_metrics.workers import WORKERS, few, workers
from tools.cli import say

# Two folders without a difference come out within some percent of each other.
MOST_GROWTH = 1.25
_HTTP = ("flask_http_request_total", "flask_http_request_duration_seconds_count")
_TASKS = ("gte_task_requests_total", "gte_task_latency_seconds_count")
_REPORTS = 10
_PID_SCRAPES = 10


def measure(restarts: int, scrapes: int, memory: Path) -> Iterator[Row]:
    """Restart workers, and compare their folder in `memory` with one whose workers were never restarted."""
    with (
        folder(memory) as calm, folder(memory) as busy, workers(calm, few()), workers(busy, few()) as restart,
        exporter(calm) as calm_port, exporter(busy) as busy_port,
    ):  # fmt: skip
        before = _files(busy)
        _restart(restart, restarts, "restarts")
        after = _files(busy)
        # Taken in turn, so that a busy machine is busy for both.
        pairs = [(scrape(calm_port)[0], scrape(busy_port)[0]) for _ in range(scrapes)]
        _, text = scrape(busy_port)
    calm_seconds, busy_seconds = map(statistics.median, zip(*pairs, strict=True))
    growth = busy_seconds / calm_seconds
    more = difference(text, WORKERS + restarts)
    yield Row(f"{restarts:,} restarts of workers, {WORKERS} at a time, one ended and one killed in turn")
    yield Row("files", f"{before[0]} before, {after[0]} after", after[0], before[0])
    yield Row("bytes of metric files", f"{before[1]:,} before, {after[1]:,} after", after[1], before[1])
    times = f"{1000 * busy_seconds:.2f} ms, without them {1000 * calm_seconds:.2f} ms, × {growth:.2f}"
    yield Row("scrape after them", times, growth, MOST_GROWTH)
    yield Row("requests counted", f"{(WORKERS + restarts) * len(few()):,}, difference {more:+.0f}", abs(more), 0)


def measure_pid_files(restarts: int, memory: Path) -> Iterator[Row]:
    """The same with prometheus_client's own files, some for each process id; scraped without HTTP."""
    with folder(memory) as files:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(files))  # type: ignore[no-untyped-call]
        with workers(files, few(), slots=False) as restart:
            before, seconds_before = _files(files), _median_seconds(registry)
            _restart(restart, restarts, "restarts, files by process id")
            after, seconds_after = _files(files), _median_seconds(registry)
    growth = seconds_after / seconds_before
    yield Row(f"Beside it: {restarts:,} restarts with prometheus_client's own files, by process id")
    yield Row("files", f"{before[0]} before, {after[0]} after")
    yield Row("bytes of metric files", f"{before[1]:,} before, {after[1]:,} after")
    times = f"{1000 * seconds_after:.2f} ms, before {1000 * seconds_before:.2f} ms, × {growth:.1f}"
    yield Row("scrape after them", times)


def difference(text: str, workers: int) -> float:
    """How many requests the text of /metrics has more than so many workers recorded; the largest of four metrics'."""
    tasks = [request for request in few() if request.task_type]
    expected = dict.fromkeys(_HTTP, workers * len(few())) | dict.fromkeys(_TASKS, workers * len(tasks))
    return max((total(text, name) - count for name, count in expected.items()), key=abs)


def total(text: str, name: str) -> float:
    """The sum of all samples of a name in the text of /metrics."""
    samples = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.rpartition(" ")[2]) for line in samples)


def _restart(restart: Callable[[int], None], restarts: int, title: str) -> None:
    for part in range(_REPORTS):
        done = restarts * part // _REPORTS
        say(f"{title}: {done} of {restarts}")
        restart(restarts * (part + 1) // _REPORTS - done)


def _files(directory: Path) -> tuple[int, int]:
    """How many files there are, and how many bytes the metric files have."""
    files = [path for path in directory.iterdir() if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files if path.suffix == ".db")


def _median_seconds(registry: CollectorRegistry) -> float:
    times = [time.perf_counter()]
    for _ in range(_PID_SCRAPES):
        generate_latest(registry)
        times.append(time.perf_counter())
    return statistics.median(later - sooner for sooner, later in pairwise(times))
