"""One candidate in its container, without any network: started, asked over HTTP on its loopback address, looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools import ROOT
from tools.bench.docker import GENERATOR, PROJECT, DockerError, Workspace, last_lines
from tools.cli import ToolError

_GRACE_SECONDS = 30
"""A call of the container engine may take so much longer than what it waits for."""


class CandidateError(ToolError):
    """One candidate failed; the others go on.

    Attributes:
        log: the last lines that it wrote, "" if it wrote none.
    """

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


@dataclass(frozen=True)
class Candidate:
    """A service of compose.yaml here, in its container.

    Attributes:
        workspace: of this run.
        service: its name in compose.yaml.
        port: where it listens.
        path: of the URL where it is asked.
    """

    workspace: Workspace
    service: str
    port: int
    path: str

    @property
    def container(self) -> str:
        """The container's name."""
        return f"{PROJECT}-{self.service}-1"

    def start(self, content: Any, limit: int) -> tuple[float, Any]:
        """Start the container, made now where it wasn't; returns the seconds to the first answer, and the answer.

        Raises:
            CandidateError: it ended, or has not answered `content` after `limit` seconds.
        """
        self.workspace.compose("create", "--no-recreate", "--no-build", "--pull", "never", self.service)
        begun = time.monotonic()
        self.workspace.docker("start", self.container)
        answer = self._ask(content, limit, "until-ready")
        return time.monotonic() - begun, answer

    def ask(self, content: Any, limit: int) -> Any:
        """The JSON of the answer to a POST of `content`.

        Raises:
            CandidateError: it failed, or has not answered after `limit` seconds.
        """
        return self._ask(content, limit, "once")

    def load(self, generator: str, scenario: str, texts: Sequence[str], clients: int) -> Any:
        """Send each text once with wrk, from so many clients at a time.

        Args:
            generator: the image of the load test.
            scenario: the name of the load test's, or the path of another without `.lua`.
            texts: one a request, each on one line.
            clients: requests at a time.

        Returns:
            what loadtest.send prints.

        Raises:
            CandidateError: there are no figures, or some requests have no answer.
        """
        file = self.workspace.folder / "texts"
        file.write_text("\n".join(texts) + "\n", encoding="utf-8")
        limit = 600 + 3 * len(texts)
        try:
            sent = json.loads(self.workspace.docker(
                "run", "--rm", "--init", "--name", GENERATOR, "--network", f"container:{self.container}",
                "--volume", f"{file}:/texts:ro", "--volume", f"{ROOT / 'tools'}:/code/tools:ro",
                "--entrypoint", "python", generator, "-m", "loadtest.send",
                scenario, f"http://127.0.0.1:{self.port}{self.path}", "--requests", str(len(texts)),
                "--connections", str(clients), "--texts", "/texts", "--seconds", str(limit),
                timeout=limit + 2 * _GRACE_SECONDS,
            ))  # fmt: skip
        except (DockerError, ValueError) as error:
            raise self.failed(f"it could not be loaded: {error}") from error
        if sum(sent["answers"].values()) < len(texts) or not sent["answers"].get("200"):
            raise self.failed(f"of {len(texts)} requests {sent['answers']} were answered; errors: {sent['errors']}")
        return sent

    def memory(self) -> float:
        """MiB (PSS) of all its processes.

        Raises:
            CandidateError: they could not be read.
        """
        try:
            # With its own interpreter and user: no other user may read what its processes use.
            return float(self._run("memory"))
        except (DockerError, ValueError) as error:
            raise self.failed(f"its memory could not be read: {error}") from error

    def cpu_percent(self) -> float:
        """How much of one CPU it uses, over a second or two."""
        shown = self.workspace.docker("stats", "--no-stream", "--format", "{{json .CPUPerc}}", self.container)
        return float(str(json.loads(shown)).rstrip("%"))

    def stop(self) -> None:
        """Stop it; it can be started again."""
        self.workspace.docker("stop", self.container)

    def remove(self) -> None:
        """Remove it, whatever its state."""
        self.workspace.docker("rm", "--force", "--volumes", self.container)

    def failed(self, reason: str) -> CandidateError:
        """The error that says why it failed, with the end of its log."""
        try:
            # `docker logs` keeps the two streams apart, and a service tells why it ended on standard error.
            log = self.workspace.docker("logs", "--tail", "40", self.container, merge=True)
        except DockerError as error:
            log = str(error)
        return CandidateError(reason, last_lines(log))

    def _ask(self, content: Any, limit: int, mode: str) -> Any:
        try:
            arguments = (str(self.port), self.path, str(limit), mode)
            return json.loads(self._run("ask", *arguments, stdin=json.dumps(content), limit=limit))
        except (DockerError, ValueError) as error:
            state = self.workspace.docker("inspect", "--format", "{{.State.Status}}", self.container)
            ended = f"its container has ended ({state})"
            raise self.failed(str(error).splitlines()[-1] if state == "running" else ended) from error

    def _run(self, program: str, *arguments: str, stdin: str = "", limit: float = 60.0) -> str:
        command = ("python3", "-m", f"tools.bench.candidates.{program}", *arguments)
        return self.workspace.docker(
            "exec", "--interactive", self.container, *command, stdin=stdin, timeout=limit + _GRACE_SECONDS
        )
