"""Starts the exporter, the preparer and gunicorn, and keeps them running until it is told to stop.

The exporter is a process of its own: when gunicorn hangs or dies, /metrics still answers and shows it.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from gte_monitoring.docker_dns import own_name
from gte_monitoring.processes.worker_starts import expect_workers
from gte_service.probe_secret import make_secret
from gte_service.serving.metrics_folder import claim
from gte_service.serving.status import read_readiness
from gte_service.settings import Settings

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
# A process that ran this long was healthy, so earlier failures don't delay its next start.
_HEALTHY_AFTER_SECONDS = 60.0
_POLL_SECONDS = 0.2
# How often to look whether the workers can load what the preparer has prepared.
_LOOK_SECONDS = 5.0
# Exit statuses of gunicorn for a wrong app or wrong settings: another start would fail the same way.
_HOPELESS = frozenset({3, 4})
_HOPELESS_STARTS = 3
_log = logging.getLogger(__name__)


@dataclass
class _Child:
    """One process to keep running; `once`: it may end with status 0, and runs again while the model can't be loaded."""

    name: str
    command: Sequence[str]
    once: bool = False
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    hopeless: int = 0
    finished: bool = False


@dataclass
class Supervisor:
    """Runs the processes of the service.

    Attributes:
        settings: the service's settings.
        environ: the environment the processes get.
    """

    settings: Settings
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    _stopping: bool = False
    _children: list[_Child] = field(default_factory=list)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until gunicorn can't be started.

        SIGHUP is handed to gunicorn, which replaces its workers one by one.

        Returns:
            the exit status: 0 after a signal.
        """
        wipe(self.settings.run_dir)
        make_secret(self.settings.run_dir)
        folder = claim(self.settings.metrics_dir, self.settings.run_dir / "metrics", own_name(), socket.gethostname())
        expect_workers(folder.path, self.settings.workers)
        self.environ["GTE_METRICS_DIR"] = str(folder.path)
        python = [sys.executable, "-m"]
        self._children = [
            _Child("exporter", [*python, "gte_service", "exporter"]),
            _Child("preparer", [*python, "gte_service", "prepare"], once=True),
            _Child("gunicorn", [*python, "gunicorn", "-c", "python:gte_service.serving.gunicorn_conf",
                                "gte_service.serving.wsgi:make_app()"]),
        ]  # fmt: skip
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        status = 0
        while not self._stopping and not status:
            for child in self._children:
                status = status or self._tend(child)
            time.sleep(_POLL_SECONDS)
        self._end()
        return status

    def _tend(self, child: _Child) -> int:
        now = time.monotonic()
        if child.process is None:
            if child.finished and now >= child.due:
                child.due = now + _LOOK_SECONDS
                child.finished = not self._must_run_again(child, now)
            elif not child.finished and now >= child.due:
                child.process = subprocess.Popen(child.command, env=self.environ)
                child.started = now
            return 0
        status = child.process.poll()
        if status is None:
            return 0
        child.process = None
        if child.once and status == 0:
            child.finished, child.due = True, now + _LOOK_SECONDS
            return 0
        if now - child.started >= _HEALTHY_AFTER_SECONDS:
            child.pause, child.hopeless = _FIRST_PAUSE_SECONDS, 0
        child.hopeless += status in _HOPELESS
        if child.hopeless >= _HOPELESS_STARTS:
            _log.error("%s can't be started (status %d, %d times): giving up", child.name, status, child.hopeless)
            return status
        _log.error("%s ended with status %d; starting it again in %.0f s", child.name, status, child.pause)
        child.due = now + child.pause
        child.pause = min(_LONGEST_PAUSE_SECONDS, 2 * child.pause)
        return 0

    def _must_run_again(self, child: _Child, now: float) -> bool:
        """Whether the preparer must look at the model's files again, because a worker can't load them."""
        if now - child.started < _LONGEST_PAUSE_SECONDS:
            return False
        workers = read_readiness(self.settings.run_dir).workers
        return any(worker.state == "failed" for worker in workers)

    def _end(self) -> None:
        # gunicorn first: its last requests must still be counted and scraped. Docker kills what takes too long.
        for child in sorted(self._children, key=lambda child: child.name != "gunicorn"):
            if child.process and child.process.poll() is None:
                child.process.terminate()
                child.process.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _reload(self, number: int, frame: FrameType | None) -> None:
        for child in self._children:
            if child.name == "gunicorn" and child.process:
                child.process.send_signal(signal.SIGHUP)


def wipe(run_dir: Path) -> None:
    """Empty the run folder of the files of an earlier run."""
    run_dir.mkdir(parents=True, exist_ok=True)
    for entry in run_dir.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
