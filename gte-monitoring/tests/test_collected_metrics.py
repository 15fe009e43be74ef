"""What the files of workers hold becomes metrics: the same at each scrape, and right again when series come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from gte_monitoring.exposition.slot_collector import SlotCollector

WORKER = """
import sys
from pathlib import Path
from gte_monitoring.recording.slot_setup import join_metrics
join_metrics(Path(sys.argv[1]))
from prometheus_client import Counter, Gauge, Histogram, Summary
modes = {mode: Gauge(f"page_{mode}", f"Gauge {mode}.", ["room"], multiprocess_mode=mode)
         for mode in ("livesum", "livemax", "livemin")}
words = Histogram("page_words", "Words.", ["room"], buckets=(1.0, 10.0))
size = Summary("page_size", "Size.")
opened = Counter("page_opened", "Opened.", ["room"])
print("ready", flush=True)
for line in sys.stdin:
    room, number = line.split()
    for gauge in modes.values():
        gauge.labels(room).set(float(number))
    words.labels(room).observe(float(number))
    size.observe(float(number))
    opened.labels(room).inc()
    print("done", flush=True)
"""


class Workers:
    """Two workers with metrics of their own in a folder, and what is collected from it."""

    def __init__(self, folder: Path) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        self._collector = SlotCollector(folder, alone=True)
        for process in self._processes:
            assert out(process).readline() == "ready\n"

    def see(self, worker: int, room: str, number: float) -> None:
        process = self._processes[worker]
        assert process.stdin is not None
        process.stdin.write(f"{room} {number}\n")
        process.stdin.flush()
        assert out(process).readline() == "done\n"

    def shown(self, name: str) -> dict[tuple[str, ...], float]:
        return {
            (sample.name.removeprefix(name), *sample.labels.values()): sample.value
            for family in self._collector.collect()
            if family.name == name
            for sample in family.samples
        }

    def kind(self, name: str) -> list[tuple[str, str]]:
        return [(each.type, each.documentation) for each in self._collector.collect() if each.name == name]

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            with process:
                pass


def out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    running = Workers(tmp_path)
    yield running
    running.end()


def test_buckets_hold_all_smaller_ones_at_each_scrape(workers: Workers) -> None:
    for _ in range(2):
        workers.see(0, "a", 0.5)
        workers.see(1, "a", 5)
    workers.see(1, "a", 50)
    expected = {("_bucket", "a", "1.0"): 2, ("_bucket", "a", "10.0"): 4, ("_bucket", "a", "+Inf"): 5,
                ("_count", "a"): 5, ("_sum", "a"): 61}  # fmt: skip
    assert [workers.shown("page_words") for _ in range(2)] == [expected, expected]
    assert workers.shown("page_size") == {("_count",): 5, ("_sum",): 61}


def test_a_series_that_comes_later_is_shown(workers: Workers) -> None:
    workers.see(0, "a", 5)
    assert workers.shown("page_opened") == {("_total", "a"): 1}
    workers.see(1, "b", 5)
    assert workers.shown("page_opened") == {("_total", "a"): 1, ("_total", "b"): 1}
    assert workers.shown("page_words")["_count", "b"] == 1
    assert workers.shown("page_livesum") == {("", "a"): 5, ("", "b"): 5}


@pytest.mark.parametrize(("mode", "value"), [("livesum", 7), ("livemax", 5), ("livemin", 2)])
def test_a_gauge_is_put_together_as_its_mode_says(workers: Workers, mode: str, value: float) -> None:
    workers.see(0, "a", 5)
    workers.see(1, "a", 2)
    assert workers.shown(f"page_{mode}") == {("", "a"): value}
    assert workers.kind(f"page_{mode}") == [("gauge", f"Gauge {mode}.")]
