"""Calls the container engine, and leaves nothing of a run behind."""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from tools.bench.errors import SetupError

LABEL = "gte-bench.run"
_LOG_LINES = 15

Docker = Callable[..., str]
"""Calls `docker` with some words, and returns what it prints."""


def docker(*words: str, merge: bool = False, timeout: float = 600.0) -> str:
    """Run `docker` to its end; `merge` puts its standard error among what it prints.

    Raises:
        SetupError: it failed, or has not ended after `timeout` seconds.
    """
    try:
        # In a session of its own: Ctrl-C is for us, and what we then call to clean up must not end by it.
        ended = subprocess.run(
            ["docker", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"`docker {words[0]}` has not ended after {timeout:.0f} s: is the engine overloaded?"
        ) from error
    except FileNotFoundError as error:
        raise SetupError("there is no `docker` program on the PATH: install Docker, or try `make prepare`.") from error
    if ended.returncode:
        raise SetupError(f"`docker {' '.join(words[:2])}` failed:\n{last_lines(ended.stderr or ended.stdout)}")
    return ended.stdout.strip()


def last_lines(text: str) -> str:
    """The end of a log, without blank lines."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-_LOG_LINES:])


class Workspace:
    """The containers, volumes, network and folder of one run; all are gone once it is left, however that happens."""

    def __init__(self, call: Docker = docker, lock: Path | None = None) -> None:
        """Nothing is made yet.

        Args:
            call: calls the engine.
            lock: the file that says that a run is under way on this machine.
        """
        self.docker = call
        self.name = f"gte-bench-{uuid.uuid4().hex[:8]}"
        self.folder = Path()
        self._lock_path = lock or Path(tempfile.gettempdir()) / "gte-bench.lock"
        self._lock: IO[str] | None = None

    def __enter__(self) -> Workspace:
        """Remove what a killed run left, and make network and folder.

        Raises:
            SetupError: another run is under way, or the engine refuses.
        """
        self._lock = self._lock_path.open("w", encoding="ascii")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise SetupError("another run is under way on this machine: both would measure each other.") from error
        try:
            remove_all(self.docker, LABEL)
            self.folder = Path(tempfile.mkdtemp(prefix="gte-bench-"))
            # Ports can be published, but nothing goes out: no candidate asks anybody anything.
            outward = "com.docker.network.bridge.enable_ip_masquerade=false"
            self.docker("network", "create", *self.label, "--opt", outward, self.name)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove everything."""
        self._leave()

    @property
    def label(self) -> Sequence[str]:
        """The words that mark something as ours."""
        return ("--label", f"{LABEL}={self.name}")

    def container(self, name: str) -> str:
        """The full name of a container of this run."""
        return f"{self.name}-{name}"

    def volume(self, name: str) -> str:
        """Make a volume; returns its full name."""
        return self.docker("volume", "create", *self.label, f"{self.name}-{name}")

    def remove(self, container: str) -> None:
        """Remove a container of this run, whatever its state, with its nameless volumes."""
        self.docker("rm", "--force", "--volumes", container)

    def _leave(self) -> None:
        before = None
        # Outside the main thread no signal arrives, and none can be handled.
        with suppress(ValueError):
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            remove_all(self.docker, f"{LABEL}={self.name}")
        finally:
            if self.folder != Path():
                shutil.rmtree(self.folder, ignore_errors=True)
            if self._lock:
                self._lock.close()
            if before is not None:
                signal.signal(signal.SIGINT, before)


def remove_all(call: Docker, label: str) -> None:
    """Remove the containers, then the volumes and networks with a label; each kind is tried whatever happens."""
    failed: list[SetupError] = []
    for kind, find, remove in (
        ("container", ("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
        ("volume", ("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
        ("network", ("network", "ls", "--quiet"), ("network", "rm")),
    ):
        try:
            if found := call(*find, "--filter", f"label={label}").split():
                call(*remove, *found)
        except SetupError as error:
            failed.append(SetupError(f"a {kind} of this run could not be removed: {error}"))
    if failed:
        raise failed[0]
