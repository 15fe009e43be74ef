"""Processes share the permits to compute fairly, and a process that dies or hangs with a permit stops no other."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from conftest import wait_for
from gte_service.engine.batcher import Batcher, Watcher
from gte_service.engine.compute_lock import ComputeLock

# File locks belong to an open file, not to a process, so threads with locks of their own stand for processes.
HOLD_SECONDS = 0.01


def hold_in_turns(folder: Path, permits: int, processes: int, times: int) -> list[tuple[str, int]]:
    """Let each process hold a permit several times; gives each acquisition and release with its process, in order."""
    events: list[tuple[str, int]] = []
    ready = threading.Barrier(processes)

    def run(number: int) -> None:
        lock = ComputeLock(folder, permits, patience_seconds=30)
        ready.wait(timeout=30)
        for _ in range(times):
            with lock.held():
                events.append(("in", number))
                time.sleep(HOLD_SECONDS)
                events.append(("out", number))
        lock.close()

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(run, range(processes)))
    return events


@pytest.mark.parametrize("permits", [1, 2])
def test_no_more_processes_compute_at_once_than_there_are_permits(tmp_path: Path, permits: int) -> None:
    inside, most = 0, 0
    for event, _ in hold_in_turns(tmp_path, permits, processes=4, times=10):
        inside += 1 if event == "in" else -1
        most = max(most, inside)
    assert most == permits


def test_a_process_that_has_just_released_a_permit_is_not_first_again(tmp_path: Path) -> None:
    order = [number for event, number in hold_in_turns(tmp_path, 1, processes=2, times=30) if event == "in"]
    both = order[: 1 + min(max(i for i, n in enumerate(order) if n == number) for number in (0, 1))]
    repeated = sum(before == after for before, after in pairwise(both))
    assert repeated <= len(both) / 4, order


def test_a_process_that_is_killed_releases_its_permit(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from gte_service.engine.compute_lock import ComputeLock\n"
        "with ComputeLock(Path(sys.argv[1]), 1, 30).held():\n    print('held', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.2, holder.kill).start()
        begun = time.monotonic()
        with ComputeLock(tmp_path, 1, patience_seconds=30).held():
            assert 0.1 < time.monotonic() - begun < 10


def test_a_process_that_hangs_with_a_permit_delays_the_others_once(tmp_path: Path) -> None:
    hanging, other = ComputeLock(tmp_path, 1, 30), ComputeLock(tmp_path, 1, patience_seconds=0.3)
    waits = []
    with hanging.held():
        for _ in range(3):
            begun = time.monotonic()
            with other.held():
                waits.append(time.monotonic() - begun)
    assert waits[0] >= 0.3
    assert max(waits[1:]) < 0.1
    with other.held():
        third = ComputeLock(tmp_path, 1, patience_seconds=0)
        assert third._acquire() is None, "the permit is held again after it could be acquired"


class Model:
    """Notes how many texts each computation held."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, texts: Sequence[Sequence[int]], with_token_vectors: Sequence[bool]) -> Sequence[torch.Tensor]:
        self.batches.append(len(texts))
        return [torch.zeros(2)] * len(texts)


def test_texts_that_arrive_while_a_batch_waits_for_a_permit_join_it(tmp_path: Path) -> None:
    model = Model()
    depths: list[int] = []

    class Depths(Watcher):
        def queue(self, texts: int) -> None:
            depths.append(texts)

    batcher = Batcher(model, [1], watcher=Depths(), compute_lock=ComputeLock(tmp_path, 1, patience_seconds=30))
    with ThreadPoolExecutor(3) as pool:
        with ComputeLock(tmp_path, 1, 30).held():
            waiting = [pool.submit(batcher.compute, [[2, 3]], time.monotonic() + 30) for _ in range(3)]
            wait_for(lambda: depths[-1:] == [3], "three texts wait")
            assert model.batches == []
        for answer in waiting:
            answer.result(timeout=30)
    batcher.close()
    assert model.batches == [3]


def test_a_text_whose_time_passes_while_it_waits_costs_no_computation(tmp_path: Path) -> None:
    model = Model()
    batcher = Batcher(model, [1], compute_lock=ComputeLock(tmp_path, 1, patience_seconds=30))
    with ComputeLock(tmp_path, 1, 30).held(), pytest.raises(Exception, match="0 of 1 texts were computed"):
        batcher.compute([[2, 3]], time.monotonic() + 0.2)
    batcher.close()
    assert model.batches == []
