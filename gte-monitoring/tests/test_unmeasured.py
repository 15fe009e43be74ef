"""A worker without metric files works all the same: log and metrics say so, and earlier counts stay."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_app import BIND, MEASURED, RunningApp, Start, starting

from conftest import wait_for
from gte_monitoring.processes.procfs import children

SUCCESSES = 'gte_task_requests_total{status="success",task_type="embedding"}'
SAID = "works, but nothing that it does is counted"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starting(tmp_path)


def count(app: RunningApp, requests: int) -> None:
    for _ in range(requests):
        assert app.predict("embedding", "天气") == 200


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_a_worker_is_replaced_although_the_folder_is_gone(start: Start, options: tuple[str, ...]) -> None:
    app = start(*MEASURED, *options, "-w", "1", *BIND, "app:app")
    count(app, 3)
    before = app.metrics()
    (worker,) = app.workers if not options else app.workers[-1:]
    shutil.rmtree(app.metrics_dir)
    app.metrics_dir.write_text("no folder any more")
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: SAID in app.log, "the new worker says so")
    wait_for(app._answers, "the new worker answers")
    count(app, 3)
    after = wait_for(lambda: (seen := app.metrics())["gte_workers"] == 1 and seen, "it is seen")
    assert (after["gte_unmeasured_workers"], after["gte_server_up"]) == (1, 1)
    assert before["gte_unmeasured_workers"] == 0
    assert after[SUCCESSES] == before[SUCCESSES] == 3
    assert app.sessions[-1].poll() is None
    assert app.log.count("is kept in memory only") == 2


def test_a_worker_that_finds_a_full_disk_answers_and_the_others_count_on(start: Start, small_disk: Path) -> None:
    app = start(*MEASURED, "-w", "1", *BIND, "app:app", GTE_METRICS_DIR=str(small_disk / "metrics"))
    ballast = small_disk / "ballast"
    try:
        count(app, 3)
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"\0" * 4096)
        # One more worker, for which there is no slot's file.
        os.kill(app.sessions[-1].pid, signal.SIGTTIN)
        wait_for(lambda: SAID in app.log, "the new worker says so")
        wait_for(lambda: app.metrics()["gte_unmeasured_workers"] == 1, "it is seen")
        assert app.metrics()["gte_workers"] == 2
        count(app, 20)
        # The one that is measured is replaced too, and counts on in the files that it has.
        (measured,) = [pid for pid in children(app.sessions[-1].pid) if (small_disk / "metrics" / "slot-0.json")
                       .read_text().count(f" {pid},")]  # fmt: skip
        os.kill(measured, signal.SIGKILL)
        wait_for(lambda: app.metrics()["gte_workers"] == 2, "another worker")
        count(app, 20)
        assert 3 <= app.metrics()[SUCCESSES] <= 43
        assert app.sessions[-1].poll() is None
    finally:
        app.stop()
        ballast.unlink()
        shutil.rmtree(small_disk / "metrics")


def test_a_server_starts_and_answers_where_no_folder_can_be_made(start: Start, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file, not a folder")
    app = start(*MEASURED, "-w", "1", *BIND, "app:app", GTE_METRICS_DIR=str(taken / "metrics"))
    count(app, 1)
    assert "can't hold the exporter's lock" in app.log
    assert SAID in app.log
