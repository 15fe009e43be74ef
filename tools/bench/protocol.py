"""Asks a candidate over its pipes: one JSON line a command, one JSON line an answer."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.bench.docker import last_lines
from tools.bench.errors import CandidateError

_END_SECONDS = 10


class Candidate:
    """A process that takes turns (see bench/candidates/turns.py)."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        """Start it; it loads while we do something else.

        Args:
            command: what to run.
            log: the file for its standard error.
        """
        self._log = log
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self, timeout: float) -> None:
        """Wait until it has loaded.

        Raises:
            CandidateError: it died, said something else, or takes more than `timeout` seconds.
        """
        if self._next(timeout, "loading").get("ready") is not True:
            raise self._error("it wrote something else before it was ready")

    def ask(self, command: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Give it its turn.

        Returns:
            its answer, with `seconds` above 0.

        Raises:
            CandidateError: it died, answered nonsense, or takes more than `timeout` seconds.
        """
        try:
            assert self._process.stdin is not None  # noqa: S101 (for the type checker: it is a pipe)
            self._process.stdin.write(json.dumps(command, ensure_ascii=False) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._error(f"it has ended with status {self._process.wait(_END_SECONDS)}") from error
        answer = self._next(timeout, "a turn")
        seconds = answer.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
            raise self._error(f"it answered without a time: {str(answer)[:200]}")
        return answer

    def close(self) -> None:
        """End it; its container ends with its standard input."""
        if self._process.stdin:
            # It may have ended before, with a command unread.
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_SECONDS)

    def _next(self, timeout: float, what: str) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise self._error(f"{what} has not ended after {timeout:.0f} s") from None
        if line is None:
            raise self._error(f"it ended with status {self._process.wait(_END_SECONDS)} during {what}")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._error(f"it wrote what is no JSON object: {line[:200].rstrip()!r}")
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 (for the type checker: it is a pipe)
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    def _error(self, reason: str) -> CandidateError:
        return CandidateError(reason, last_lines(self._log.read_text(encoding="utf-8", errors="replace")))
