"""`python -m ….workers FOLDER slots|pids KINDS`: four workers that record, and are replaced on demand.

As gunicorn's master does it: forked, and ended either in order or by SIGKILL. `restart N` replaces N of them, the one
that has recorded longest ago first, and is answered when the last has recorded. Each records all of its kinds once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import deque
from pathlib import Path
from struct import Struct

from prometheus_client.multiprocess import mark_process_dead

from gte_monitoring.processes.slot_setup import join_metrics
from gte_monitoring.processes.worker_starts import expect_workers
from gte_monitoring.recording.recorder import Recorder
from tools.bench_metrics.child import answer, orders
from tools.bench_metrics.kinds import KINDS, record

WORKERS = 4
_SAID = Struct("i")
_FAILED = 0


class Workers:
    """The living workers, of whom those that have recorded can be replaced."""

    def __init__(self, folder: Path, way: str, kinds: str) -> None:
        """Start four, and wait until they have recorded."""
        self._folder = folder
        self._slots = way == "slots"
        self._kinds = list(KINDS[kinds]())
        self._read, self._write = os.pipe()
        # Whoever reads from such a pipe gets the end of it when we close it, or end.
        self._held: dict[int, int] = {}
        self._done: deque[int] = deque()
        if self._slots:
            expect_workers(folder, WORKERS)
        for _ in range(WORKERS):
            self._start()
        self._wait(WORKERS)

    def restart(self, restarts: int) -> None:
        """Replace as many workers, by turns one that ends in order and one that is killed."""
        for number in range(restarts):
            self._wait(1)
            self._stop(self._done.popleft(), kill=bool(number % 2))
            self._start()
        self._wait(WORKERS)

    def stop(self) -> None:
        """End all."""
        for pid in list(self._held):
            self._stop(pid, kill=True)

    def _start(self) -> None:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(write)
            for other in self._held.values():
                os.close(other)
            self._work(read)
        os.close(read)
        self._held[pid] = write

    def _work(self, hold: int) -> None:
        """In a worker: record everything once, say so, and stay until told to end."""
        try:
            if self._slots:
                join_metrics(self._folder)
            recorder = Recorder()
            for kind in self._kinds:
                record(recorder, kind)
            os.write(self._write, _SAID.pack(os.getpid()))
            os.read(hold, 1)
        except BaseException:  # noqa: BLE001 (a fork must not go on as its parent)
            traceback.print_exc()
            os.write(self._write, _SAID.pack(_FAILED))
        finally:
            os._exit(0)

    def _stop(self, pid: int, *, kill: bool) -> None:
        if kill:
            os.kill(pid, signal.SIGKILL)
        os.close(self._held.pop(pid))
        os.waitpid(pid, 0)
        if not self._slots:
            # As prometheus_client's documents ask of gunicorn's child_exit hook.
            mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]

    def _wait(self, workers: int) -> None:
        while len(self._done) < workers:
            (pid,) = _SAID.unpack(os.read(self._read, _SAID.size))
            if pid == _FAILED:
                raise RuntimeError("a worker failed; it has said why.")
            self._done.append(pid)


def main(folder: Path, way: str, kinds: str) -> None:
    """Keep workers until nobody wants them any more."""
    workers = Workers(folder, way, kinds)
    try:
        answer("ready")
        for _, restarts in orders():
            workers.restart(int(restarts))
            answer("done")
    finally:
        workers.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
