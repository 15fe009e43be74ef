"""A process of the benchmark: it gets a line, does what the line says, and answers with a line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from tools.bench_metrics.errors import MeasuringError

# Where `python -m` finds this package and the service's.
ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_SECONDS = 20.0


class Child:
    """A module of this package as a process of its own; it ends when its input does, so none is left behind."""

    def __init__(self, module: str, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """Start `python -m tools.bench_metrics.<module>`, and wait until it says that it is ready."""
        self._name = module
        # In a session of its own: Ctrl-C is for us, and we end it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tools.bench_metrics.{module}", *arguments],
            cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._input, self._output = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        try:
            self.ready = self._answer()
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Child:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self._end()

    def ask(self, *words: object) -> list[str]:
        """Send a line of words; returns the words of the answer.

        Raises:
            MeasuringError: it has ended.
        """
        try:
            self._input.write(" ".join(map(str, words)) + "\n")
            self._input.flush()
        except BrokenPipeError as error:
            raise MeasuringError(f"the process `{self._name}` has ended; it has said why above.") from error
        return self._answer()

    def _answer(self) -> list[str]:
        line = self._output.readline()
        if not line:
            status = self._process.wait()
            raise MeasuringError(f"the process `{self._name}` ended with status {status}; it has said why above.")
        return line.split()

    def _end(self) -> None:
        self._input.close()
        self._output.close()
        end(self._process)


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes], *, told: bool = False) -> None:
    """Wait for the end of a process; what doesn't end in time is told to, and killed in the end.

    Args:
        process: it may have ended.
        told: whether it has to be told at once, because it doesn't know yet.
    """
    for stop in (process.terminate if told else process.poll, process.terminate, process.kill):
        stop()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def answer(*words: object) -> None:
    """In such a process: say something to who started it."""
    print(*words, flush=True)


def orders() -> Iterator[list[str]]:
    """In such a process: the lines that come, as words, until who started it has had enough or is gone."""
    for line in sys.stdin:
        yield line.split()
