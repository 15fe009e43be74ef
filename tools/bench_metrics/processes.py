"""The processes of the benchmark, forked children and servers, and their folders. None outlives the run."""

from __future__ import annotations

import multiprocessing
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from os import environ
from pathlib import Path
from typing import IO, Any

from tools.cli import NoAnswerError, ToolError

HOST = "127.0.0.1"
_END = "end"
_START_SECONDS = 180.0
_END_SECONDS = 20.0
_LOG_LINES = 15


@contextmanager
def folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder, by default among the temporary files; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-metrics-", dir=parent) as name:
        yield Path(name)


class Child:
    """A forked process that makes what it needs and then answers questions, until it is ended or its parent is gone."""

    def __init__(self, make: Callable[..., Callable[[Any], object]], *arguments: object) -> None:
        """Fork; in the child, `make` with its arguments makes the function that answers."""
        self._pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=_answer, args=(self._pipe, theirs, make, *arguments), name=make.__name__.strip("_"), daemon=True
        )
        # Python loses an interrupt that comes while it calls what others registered to be called at a fork.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        theirs.close()
        self._ready = False

    def __enter__(self) -> Child:
        self.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self.end(kill=True)

    def wait(self) -> None:
        """Wait until it is ready to answer.

        Raises:
            ToolError: it failed.
        """
        if not self._ready:
            self._ready = self._call(self._pipe.recv)

    def ask(self, question: object) -> Any:
        """Send a question; returns the answer.

        Raises:
            ToolError: it failed, or has been killed.
        """
        self.wait()
        self._call(self._pipe.send, question)
        return self._call(self._pipe.recv)

    def end(self, *, kill: bool) -> None:
        """End it in order, or by SIGKILL.

        Raises:
            ToolError: it had ended before it could be ended in order.
        """
        if kill:
            self.process.kill()
        else:
            self._call(self._pipe.send, _END)
        self.process.join()
        self._pipe.close()

    def _call(self, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(*arguments)
        except (EOFError, OSError) as error:
            self.process.join()
            reason = f"ended with status {self.process.exitcode}; its error stands above, if it could say one"
            raise ToolError(f"the process {self.process.name} {reason}. There are no figures.") from error


def _answer(
    parents: Connection, pipe: Connection, make: Callable[..., Callable[[Any], object]], *arguments: Any
) -> None:
    # Ctrl-C is for the parent, which ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # With both ends open here, the pipe would not end with the parent.
    parents.close()
    answer = make(*arguments)
    with suppress(EOFError, BrokenPipeError):
        pipe.send(True)
        while (question := pipe.recv()) != _END:
            pipe.send(answer(question))


@contextmanager
def server(command: Sequence[str], check: Callable[[], object], settings: Mapping[str, str]) -> Iterator[None]:
    """A server that runs as `python -m` with these words and settings in its environment; yields once it is ready.

    Args:
        command: the module and its arguments.
        check: raises NoAnswerError until the server is ready.
        settings: variables of its environment.

    Raises:
        ToolError: it doesn't get ready; the message has the end of its log.
    """
    with tempfile.TemporaryFile() as log:
        # In a session of its own, which Ctrl-C doesn't reach.
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=environ | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            _wait(process, log, check)
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: IO[bytes], check: Callable[[], object]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            check()
            return
        except NoAnswerError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                lines = log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
                raise ToolError("\n".join([f"a server doesn't get ready: {error} Its log ends:", *lines])) from error
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
