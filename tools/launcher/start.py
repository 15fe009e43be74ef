"""Starts the services, and prints their states until all are healthy."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tools import cli
from tools.launcher.compose import Compose, Service, Stack, names
from tools.launcher.console import show
from tools.launcher.readiness import ask_model

_POLL_SECONDS = 1.0
_LOG_LINES = "25"
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use|Ports are not available", re.IGNORECASE)

_PROGRESS = re.compile(r"\s*(Container|Network|Volume|Image) \S+ +[A-Z][a-z]+\s*$")


class StackError(cli.ToolError):
    """Services did not become healthy."""

    status = cli.FAILED


@dataclass(frozen=True)
class Container:
    """A service's container: Docker's word for its state, and for its health, "" if it has no check."""

    state: str
    health: str

    @property
    def healthy(self) -> bool:
        """Whether it runs and passes its check."""
        return self.state == "running" and self.health in {"", "healthy"}

    @property
    def failed(self) -> bool:
        """Whether it has ended or fails its check; a container that is still starting has not failed."""
        return self.health == "unhealthy" or self.state in {"exited", "restarting", "dead"}

    @property
    def description(self) -> str:
        """One word for people."""
        return self.health if self.state == "running" and self.health else self.state


def containers(compose: Compose) -> dict[str, Container]:
    """The containers of the project by service; services without one are missing.

    Raises:
        ToolError: Docker can't list them.
    """
    shown = compose.capture("ps", "--all", "--format", "json", profile="*")
    if shown.returncode != 0:
        raise cli.ToolError(f"Docker can't list the containers of the stack:\n{shown.stderr.strip()}")
    return worst_containers([json.loads(line) for line in shown.stdout.splitlines()])


def worst_containers(rows: Sequence[Mapping[str, str]]) -> dict[str, Container]:
    """One container for each service in rows of `docker compose ps`: of several, one that is not healthy."""
    found: dict[str, Container] = {}
    for row in rows:
        container = Container(row["State"], row.get("Health", ""))
        if row["Service"] not in found or not container.healthy:
            found[row["Service"]] = container
    return found


def start(compose: Compose, stack: Stack, services: Sequence[Service]) -> None:
    """Start the services and wait until each is healthy, printing each change of their states.

    Raises:
        StackError: not all became healthy; the message names them and shows the end of their logs.
    """
    show(f"Starting {', '.join(names(services))}")
    # Orphans: a gateway that COMPOSE_FILE named at the last start would still hold the service's port.
    command = compose.command(
        "--progress", "plain", "up", "--detach", "--wait", "--no-build", "--pull", "never", "--remove-orphans",
        *names(services),
    )  # fmt: skip
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        with subprocess.Popen(
            command, cwd=compose.root, env=compose.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process:
            _follow(compose, stack, names(services), process)
        if process.returncode == 0:
            return
        output.seek(0)
        printed = output.read()
    raise StackError(_explain(compose, names(services), printed))


def _follow(compose: Compose, stack: Stack, wanted: Sequence[str], process: subprocess.Popen[bytes]) -> None:
    """Print each change of a service's state and of the model's, until the process ends."""
    shown: dict[str, str] = {}
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
        ended = process.returncode is not None
        states = {name: item.description for name, item in containers(compose).items() if name in wanted}
        model = ask_model(stack)
        if model.line:
            states["model"] = model.line
        for name, state in states.items():
            if shown.get(name) != state and state not in {"created", "starting"}:
                show(f"  {name:<16} {state}")
            shown[name] = state
        if ended:
            return


def _explain(compose: Compose, wanted: Sequence[str], printed: str) -> str:
    """The services that are not healthy with the end of their logs; if there are none, Compose's own words."""
    now = containers(compose)
    failed = [name for name in wanted if name in now and now[name].failed]
    if failed:
        parts = [f"Not healthy: {', '.join(failed)}."]
        for name in failed:
            logs = compose.capture("logs", "--no-color", "--no-log-prefix", "--tail", _LOG_LINES, name)
            log = logs.stdout.strip() or "(empty)"
            parts.append(f"--- the end of the log of {name} ({now[name].description}) ---\n{log}")
        parts.append(f"The whole log: docker compose logs {' '.join(failed)}")
    else:
        errors = [line for line in printed.splitlines() if line.strip() and not _PROGRESS.match(line)]
        parts = ["The services did not start. Docker Compose reports:", *errors[-12:]]
    if _PORT_TAKEN.search(printed):
        parts.append(
            "Another program uses one of the ports. Give the service another one in .env, for example GTE_PORT=5050\n"
            "(.env.example lists all; on macOS, AirPlay uses 5000)."
        )
    return "\n".join(parts)
