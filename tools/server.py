"""A server that a tool starts on this host for its own use; it ends with the tool."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tools.cli import NoAnswerError, ToolError

HOST = "127.0.0.1"
_START_SECONDS = 180.0
_END_SECONDS = 20.0
_LOG_LINES = 15


@contextmanager
def server(
    command: Sequence[str],
    check: Callable[[], object],
    settings: Mapping[str, str],
    *,
    python: str | Path = sys.executable,
    inherited: Mapping[str, str] = os.environ,
    seconds: float = _START_SECONDS,
) -> Iterator[None]:
    """A server that runs as `python -m` with these words and settings in its environment; yields once it is ready.

    Args:
        command: the module and its arguments.
        check: raises NoAnswerError until the server is ready, and another ToolError if it won't get ready any more.
        settings: variables of its environment.
        python: the interpreter.
        inherited: the environment that the settings go over.
        seconds: how long it may take to get ready.

    Raises:
        ToolError: it doesn't get ready; the message has the end of its log.
    """
    with tempfile.TemporaryFile() as log:
        # In a session of its own, which Ctrl-C doesn't reach.
        process = subprocess.Popen(
            [str(python), "-m", *command], env={**inherited, **settings}, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            _wait(process, log, check, time.monotonic() + seconds)
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: IO[bytes], check: Callable[[], object], deadline: float) -> None:
    while True:
        try:
            check()
            return
        except ToolError as error:
            goes_on = isinstance(error, NoAnswerError) and process.poll() is None and time.monotonic() <= deadline
            if not goes_on:
                log.seek(0)
                lines = log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
                raise ToolError("\n".join([f"a server doesn't get ready: {error} Its log ends:", *lines])) from error
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
