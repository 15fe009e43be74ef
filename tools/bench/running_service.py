"""One service in its container: started, asked, and looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from tools.bench.docker import Workspace, last_lines
from tools.bench.engine_phase import code_mount
from tools.bench.errors import CandidateError, SetupError
from tools.bench.load import Client, WrongAnswer, run_slice
from tools.bench.results import Slice
from tools.bench.services import Service

START_SECONDS = 900.0
_PAUSE = 0.1
_FIRST_TEXT = "模型可以回答了吗"


class RunningService:
    """A container of this run."""

    def __init__(self, workspace: Workspace, name: str, service: Service, image: str) -> None:
        """Say what to run; nothing is made yet."""
        self.name, self.service, self.image = name, service, image
        self.container = workspace.container(f"service-{name}")
        self._workspace = workspace
        self._dimensions = 0
        self._address = ""

    def create(self, model: str, dimensions: int, home: str = "") -> None:
        """Make the container.

        Args:
            model: the volume of the model.
            dimensions: of a vector.
            home: the volume where our service keeps what it has prepared; a new one where none is given.

        Raises:
            SetupError: the engine refuses.
        """
        self._dimensions = dimensions
        name, service = self.name, self.service
        own: list[str] = []
        if service.ours:
            # As compose.yaml has it.
            own = [
                "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true",
                "--tmpfs", "/tmp",  # noqa: S108 (inside the container)
                "--tmpfs", "/run/gte:uid=10001,gid=10001,mode=750", "--tmpfs", "/metrics:uid=10001,gid=10001",
                "--volume", f"{home or self._workspace.volume(f'home-{name}')}:/models",
            ]  # fmt: skip
        variables = [word for pair in service.environment.items() for word in ("--env", "=".join(pair))]
        self._workspace.docker(
            "create", "--init", *self._workspace.label, "--name", self.container, "--network", self._workspace.name,
            "--publish", f"127.0.0.1::{service.port}", "--volume", f"{model}:/model:ro", *own, *code_mount(),
            *variables, self.image, *service.command,
        )  # fmt: skip

    def start(self, timeout: float = START_SECONDS) -> float:
        """Start the container; returns the seconds until it has answered a text.

        Raises:
            CandidateError: it ended, or has not answered after `timeout` seconds.
        """
        begun = time.monotonic()
        self._workspace.docker("start", self.container)
        self._address = self._workspace.docker("port", self.container, f"{self.service.port}/tcp").splitlines()[0]
        said = ""
        while time.monotonic() - begun < timeout:
            client = self._client(max(1.0, begun + timeout - time.monotonic()))
            try:
                client.ask(_FIRST_TEXT)
                return time.monotonic() - begun
            except WrongAnswer as error:
                said = str(error)
            finally:
                client.close()
            if self._state() != "running":
                raise self._error(f"its container ended before it answered ({self._state()})")
            time.sleep(_PAUSE)
        raise self._error(f"it has not answered after {timeout:.0f} s; the last try ended with: {said}")

    def slice(self, texts: Sequence[str], clients: int, number: int) -> Slice:
        """Send texts with so many clients in round `number`.

        Raises:
            CandidateError: no request at all was answered.
        """
        found = run_slice([self._client() for _ in range(clients)], texts, number)
        if not found.latencies:
            raise self._error(f"it answered none of {len(texts)} requests: {dict(found.errors)}")
        return found

    def memory(self) -> float:
        """MiB (PSS) of all its processes.

        Raises:
            CandidateError: they could not be read.
        """
        try:
            # With its own interpreter and user: nobody else may read what its processes use.
            return float(
                self._workspace.docker("exec", self.container, "python3", "-m", "tools.bench.candidates.memory")
            )
        except (SetupError, ValueError) as error:
            raise self._error(f"its memory could not be read: {error}") from error

    def cpu_percent(self) -> float:
        """How much of one CPU it uses, over a second or two."""
        shown = self._workspace.docker("stats", "--no-stream", "--format", "{{json .CPUPerc}}", self.container)
        return float(str(json.loads(shown)).rstrip("%"))

    def stop(self) -> None:
        """Stop it; it can be started again."""
        self._workspace.docker("stop", self.container)

    def remove(self) -> None:
        """Remove it."""
        self._workspace.remove(self.container)

    def _client(self, timeout: float | None = None) -> Client:
        endpoint, dimensions = self.service.endpoint, self._dimensions
        if timeout is None:
            return Client(self._address, endpoint, dimensions)
        return Client(self._address, endpoint, dimensions, timeout)

    def _state(self) -> str:
        return self._workspace.docker("inspect", "--format", "{{.State.Status}}", self.container)

    def _error(self, reason: str) -> CandidateError:
        # `docker logs` keeps the two streams apart; what a service says of its end is on standard error.
        try:
            log = self._workspace.docker("logs", "--tail", "40", self.container, merge=True)
        except SetupError as error:
            log = str(error)
        return CandidateError(reason, last_lines(log))


def wait_until_idle(cpu: Callable[[], float], timeout: float, below: float) -> float:
    """Wait until a service uses less than `below` percent of a CPU; returns what it used last."""
    end = time.monotonic() + timeout
    while (used := cpu()) >= below and time.monotonic() < end:
        pass
    return used
