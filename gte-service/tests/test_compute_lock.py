"""Computations of several processes take turns, fairly, and whoever dies or hangs with a turn stops nobody."""

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
from gte_service.engine.compute_lock import Turns

# Locks belong to an open file, not to a process, so threads with `Turns` of their own stand for processes.
HOLD_SECONDS = 0.01


def record_turns(folder: Path, at_once: int, processes: int, turns: int) -> list[tuple[str, int]]:
    """Let so many take so many turns each; gives who entered and left, in order."""
    events: list[tuple[str, int]] = []
    ready = threading.Barrier(processes)

    def run(number: int) -> None:
        mine = Turns(folder, at_once, patience_seconds=30)
        ready.wait(timeout=30)
        for _ in range(turns):
            with mine.take():
                events.append(("in", number))
                time.sleep(HOLD_SECONDS)
                events.append(("out", number))
        mine.close()

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(run, range(processes)))
    return events


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_compute_at_once_than_may(tmp_path: Path, at_once: int) -> None:
    inside, most = 0, 0
    for what, _ in record_turns(tmp_path, at_once, processes=4, turns=10):
        inside += 1 if what == "in" else -1
        most = max(most, inside)
    assert most == at_once


def test_who_has_just_had_a_turn_is_not_first_again(tmp_path: Path) -> None:
    order = [number for what, number in record_turns(tmp_path, 1, processes=2, turns=30) if what == "in"]
    both = order[: 1 + min(max(i for i, n in enumerate(order) if n == number) for number in (0, 1))]
    repeated = sum(before == after for before, after in pairwise(both))
    assert repeated <= len(both) / 4, order


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from gte_service.engine.compute_lock import Turns\n"
        "with Turns(Path(sys.argv[1]), 1, 30).take():\n    print('held', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.2, holder.kill).start()
        begun = time.monotonic()
        with Turns(tmp_path, 1, patience_seconds=30).take():
            assert 0.1 < time.monotonic() - begun < 10


def test_who_hangs_with_a_turn_delays_the_others_once(tmp_path: Path) -> None:
    hanging, other = Turns(tmp_path, 1, 30), Turns(tmp_path, 1, patience_seconds=0.3)
    waits = []
    with hanging.take():
        for _ in range(3):
            begun = time.monotonic()
            with other.take():
                waits.append(time.monotonic() - begun)
    assert waits[0] >= 0.3
    assert max(waits[1:]) < 0.1
    with other.take():
        third = Turns(tmp_path, 1, patience_seconds=0)
        assert third._wait() is None, "it takes turns again once one was to be had"


class Model:
    """Notes how many texts each computation held."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, texts: Sequence[Sequence[int]], whole: Sequence[bool]) -> Sequence[torch.Tensor]:
        self.batches.append(len(texts))
        return [torch.zeros(2)] * len(texts)


def test_what_arrives_while_a_batch_waits_for_its_turn_is_part_of_it(tmp_path: Path) -> None:
    model = Model()
    depths: list[int] = []

    class Depths(Watcher):
        def queue(self, texts: int) -> None:
            depths.append(texts)

    batcher = Batcher(model, [1], watcher=Depths(), turns=Turns(tmp_path, 1, patience_seconds=30))
    with ThreadPoolExecutor(3) as pool:
        with Turns(tmp_path, 1, 30).take():
            waiting = [pool.submit(batcher.compute, [[2, 3]], time.monotonic() + 30) for _ in range(3)]
            wait_for(lambda: depths[-1:] == [3], "three texts wait")
            assert model.batches == []
        for answer in waiting:
            answer.result(timeout=30)
    batcher.close()
    assert model.batches == [3]


def test_a_text_whose_time_passes_while_it_waits_costs_no_computation(tmp_path: Path) -> None:
    model = Model()
    batcher = Batcher(model, [1], turns=Turns(tmp_path, 1, patience_seconds=30))
    with Turns(tmp_path, 1, 30).take(), pytest.raises(Exception, match="0 of 1 texts were computed"):
        batcher.compute([[2, 3]], time.monotonic() + 0.2)
    batcher.close()
    assert model.batches == []
