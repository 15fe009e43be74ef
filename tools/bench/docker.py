"""Calls the container engine, and leaves nothing of a run behind."""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from tools import ROOT
from tools.cli import ToolError

PROJECT = "gte-bench"
"""The Compose project of a run; there is one run at a time."""

GENERATOR = f"{PROJECT}-generator"
"""The name of the container that sends load, which isn't Compose's."""

FILE = ROOT / "tools/bench/compose.yaml"
_LOG_LINES = 15

Docker = Callable[..., str]
"""Calls `docker` with some words, and returns what it prints."""


class DockerError(ToolError):
    """The container engine refuses, hangs, or isn't there."""


def docker(*words: str, stdin: str = "", merge: bool = False, timeout: float = 600.0) -> str:
    """Run `docker` to its end; returns its standard output, with its standard error among it if `merge` is true.

    Raises:
        DockerError: it failed, or has not ended after `timeout` seconds.
    """
    try:
        # In a session of its own: Ctrl-C is for us, and must not end the call that then cleans up.
        ended = subprocess.run(
            ["docker", *words], input=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            encoding="utf-8", errors="replace", timeout=timeout, check=False, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DockerError(f"`docker {words[0]}` has not ended after {timeout:.0f} s: is the engine busy?") from error
    except FileNotFoundError as error:
        raise DockerError("there is no `docker` program on the PATH: install Docker, or try `make prepare`.") from error
    if ended.returncode:
        raise DockerError(f"`docker {' '.join(words[:2])}` failed:\n{last_lines(ended.stderr or ended.stdout)}")
    return ended.stdout.strip()


def last_lines(text: str) -> str:
    """The end of a log, without blank lines."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-_LOG_LINES:])


class Workspace:
    """The containers, volumes and folder of one run; all are removed when it is left, however that happens.

    Attributes:
        docker: calls the engine.
        folder: for files of this run.
    """

    def __init__(self, call: Docker = docker, lock: Path | None = None) -> None:
        """Make nothing yet; `lock` is the file that is locked while a run is under way on this machine."""
        self.docker = call
        self.folder = Path()
        self._lock = lock or Path(tempfile.gettempdir()) / f"{PROJECT}.lock"
        self._files = [FILE]
        self._exit = ExitStack()

    def __enter__(self) -> Workspace:
        """Remove what a killed run left, and make the folder.

        Raises:
            DockerError: another run is under way, or the engine refuses.
        """
        with ExitStack() as entered:
            lock = entered.enter_context(self._lock.open("w", encoding="ascii"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DockerError("another run is under way on this machine: both would measure each other.") from error
            self.remove_all()
            self.folder = Path(tempfile.mkdtemp(prefix=f"{PROJECT}-"))
            entered.callback(shutil.rmtree, self.folder, ignore_errors=True)
            # The load generator, another user, reads its texts there.
            self.folder.chmod(0o755)
            entered.callback(self._remove_all_undisturbed)
            self._exit = entered.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove everything."""
        self._exit.close()

    def compose(self, *words: str) -> str:
        """Call Compose for this run's project; returns what it prints."""
        files = [word for file in self._files for word in ("--file", str(file))]
        return self.docker("compose", "--project-name", PROJECT, "--project-directory", str(ROOT), *files, *words)

    def add(self, name: str, content: str) -> None:
        """Add a file of services to the project."""
        file = self.folder / name
        file.write_text(content, encoding="utf-8")
        self._files.append(file)

    def remove_all(self) -> None:
        """Remove the containers and volumes of this project."""
        try:
            self.docker("rm", "--force", GENERATOR)
        finally:
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")

    def _remove_all_undisturbed(self) -> None:
        before = None
        # Outside the main thread no signal arrives, and none can be handled.
        with suppress(ValueError):
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.remove_all()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
