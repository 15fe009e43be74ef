"""A slot outlives its worker: counts go on, gauges don't, and the lock frees itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gte_monitoring.exposition.process_collector import ProcessCollector
from gte_monitoring.exposition.slot_collector import SlotCollector
from gte_monitoring.processes.slots import read_holders
from gte_monitoring.processes.worker_starts import expect_workers, read_worker_starts

WORKER = """
import sys
from pathlib import Path
from gte_monitoring.recording.slot_setup import join_metrics
slot = join_metrics(Path(sys.argv[1]))
from gte_monitoring.recording.recorder import Http, Outcome, Recorder
recorder = Recorder()
recorder.task_started("embedding")
recorder.task_finished(Http("POST","/predict",200), 0.3, "embedding", Outcome("success"))
print(slot, flush=True)
sys.stdin.read()
"""


FORKING = """
import os, signal, sys
from pathlib import Path
from gte_monitoring.recording.slot_setup import join_metrics
slot = join_metrics(Path(sys.argv[1]))
from gte_monitoring.recording.recorder import Http, Outcome, Recorder
recorder = Recorder()
recorder.task_finished(Http("POST", "/predict", 200), 0.3, "embedding", Outcome("success"))
child = os.fork()
if child == 0:
    if sys.argv[2] == "records":
        recorder.task_finished(Http("POST", "/predict", 200), 0.3, "embedding", Outcome("success"))
        recorder.task_started("embedding")
    print("child", os.getpid(), flush=True)
    signal.pause()
os.waitpid(child, 0)
"""


def start_worker(directory: Path) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(*workers: subprocess.Popen[str]) -> None:
    for worker in workers:
        worker.kill()
        with worker:
            pass


def sums(directory: Path) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in SlotCollector(directory, alone=True).collect()
        for sample in family.samples
        if sample.labels.get("task_type") == "embedding" and sample.labels.get("status", "success") == "success"
    }


def test_workers_at_the_same_time_hold_different_slots_and_are_summed(tmp_path: Path) -> None:
    (first, zero), (second, one) = start_worker(tmp_path), start_worker(tmp_path)
    try:
        assert (zero, one) == (0, 1)
        assert sums(tmp_path)["gte_task_requests_total"] == 2
        assert sums(tmp_path)["gte_task_latency_seconds_count"] == 2
        assert sums(tmp_path)["gte_active_requests"] == 2
    finally:
        kill(first, second)


def test_a_killed_worker_keeps_its_counts_and_loses_its_gauges(tmp_path: Path) -> None:
    kill(start_worker(tmp_path)[0])
    assert sums(tmp_path)["gte_task_requests_total"] == 1
    assert "gte_active_requests" not in sums(tmp_path)


def test_a_new_worker_takes_the_slot_up_and_counts_on(tmp_path: Path) -> None:
    kill(start_worker(tmp_path)[0])
    files = sorted(path.name for path in tmp_path.glob("*.db"))
    worker, slot = start_worker(tmp_path)
    try:
        assert slot == 0
        assert sorted(path.name for path in tmp_path.glob("*.db")) == files
        assert sums(tmp_path)["gte_task_requests_total"] == 2
        assert sums(tmp_path)["gte_active_requests"] == 1
    finally:
        kill(worker)


def test_restarts_and_live_workers_are_counted(tmp_path: Path) -> None:
    expect_workers(tmp_path, 1)
    kill(start_worker(tmp_path)[0])
    worker, _ = start_worker(tmp_path)
    try:
        figures = {
            (sample.name, *sample.labels.values()): sample.value
            for family in ProcessCollector(tmp_path).collect()
            for sample in family.samples
        }
        assert figures["gte_workers",] == 1
        assert figures["gte_worker_restarts_total",] == 1
        assert figures["gte_process_resident_memory_bytes", "worker-0"] > 1 << 20
        assert figures["gte_process_proportional_memory_bytes", "worker-0"] > 1 << 20
        assert figures["gte_process_cpu_seconds_total", "worker-0"] > 0
    finally:
        kill(worker)
    assert [holder.alive for holder in read_holders(tmp_path)] == [False]


def test_a_lost_record_of_starts_leaves_the_begin_of_the_counts_unknown_rather_than_wrong(tmp_path: Path) -> None:
    expect_workers(tmp_path, 1)
    begun = read_worker_starts(tmp_path).begun
    assert begun > 0
    kill(start_worker(tmp_path)[0])
    assert read_worker_starts(tmp_path).begun == begun
    (tmp_path / "census.json").write_text("")
    expect_workers(tmp_path, 1)
    assert read_worker_starts(tmp_path).begun == 0
    shown = {family.name for family in ProcessCollector(tmp_path).collect()}
    assert "gte_workers" in shown
    assert "gte_counters_start_time_seconds" not in shown


@pytest.mark.parametrize(("does", "slots", "successes", "active"), [("nothing", [0], 1, 0), ("records", [0, 1], 2, 1)])
def test_a_process_that_a_worker_forks_counts_in_a_slot_of_its_own_and_holds_none_of_its_parents(
    tmp_path: Path, does: str, slots: list[int], successes: int, active: int
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(tmp_path), does], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline().split()[1])
    try:
        assert [holder.slot for holder in read_holders(tmp_path)] == slots
        assert sums(tmp_path)["gte_task_requests_total"] == successes
        assert sums(tmp_path)["gte_active_requests"] == active
        kill(parent)
        # The child lives on, but the parent's slot is free.
        worker, slot = start_worker(tmp_path)
        kill(worker)
        assert slot == 0
    finally:
        os.kill(child, signal.SIGKILL)
