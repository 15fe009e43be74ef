"""The forked children of the benchmark, and their folders. None outlives the run."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.cli import ToolError

_END = "end"


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
