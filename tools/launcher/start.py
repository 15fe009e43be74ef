"""Starts the services and follows them until all are healthy."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.launcher.compose import Compose, Service, Stack, names, parse_rows
from tools.launcher.console import say
from tools.launcher.errors import StackError
from tools.launcher.readiness import ask_model

_POLL_SECONDS = 1.0
_LOG_LINES = "25"
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use|Ports are not available", re.IGNORECASE)

_PROGRESS = re.compile(r"\s*(Container|Network|Volume|Image) \S+ +[A-Z][a-z]+\s*$")


@dataclass(frozen=True)
class Container:
    """How a service's container is: `state` as Docker says it, `health` "" where it has no check."""

    state: str
    health: str

    @property
    def healthy(self) -> bool:
        """Whether it runs and its check is content."""
        return self.state == "running" and self.health in {"", "healthy"}

    @property
    def failed(self) -> bool:
        """Whether it has given up, or its check has: not merely on its way."""
        return self.health == "unhealthy" or self.state in {"exited", "restarting", "dead"}

    @property
    def said(self) -> str:
        """One word for people."""
        return self.health if self.state == "running" and self.health else self.state


def containers(compose: Compose) -> dict[str, Container]:
    """The containers of the project by service; services without one are not in it."""
    shown = compose.capture("ps", "--all", "--format", "json", profile="*")
    if shown.returncode != 0:
        raise StackError(f"Docker can't say how the services are:\n{shown.stderr.strip()}")
    return worst_containers(parse_rows(shown.stdout))


def worst_containers(rows: Sequence[Mapping[str, str]]) -> dict[str, Container]:
    """One container for each service of `docker compose ps`: of several replicas, one that is not healthy."""
    found: dict[str, Container] = {}
    for row in rows:
        container = Container(row["State"], row.get("Health", ""))
        if row["Service"] not in found or not container.healthy:
            found[row["Service"]] = container
    return found


def start(compose: Compose, stack: Stack, services: Sequence[Service]) -> None:
    """Start the services and wait until each is healthy, saying on the way how far they are.

    Raises:
        StackError: not all became healthy; the message names them and shows the end of their logs.
    """
    say(f"Starting {', '.join(names(services))}")
    command = compose.command(
        "--progress", "plain", "up", "--detach", "--wait", "--no-build", "--pull", "never", *names(services)
    )
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        with subprocess.Popen(
            command, cwd=compose.root, env=compose.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process:
            _follow(compose, stack, names(services), process)
        if process.returncode == 0:
            return
        output.seek(0)
        said = output.read()
    raise StackError(_explain(compose, names(services), said))


def _follow(compose: Compose, stack: Stack, wanted: Sequence[str], process: subprocess.Popen[bytes]) -> None:
    """Print each change of a service's state and of the model's, until the process ends."""
    told: dict[str, str] = {}
    while True:
        ended = _ended(process)
        states = {name: item.said for name, item in containers(compose).items() if name in wanted}
        model = ask_model(stack)
        if model.line:
            states["model"] = model.line
        for name, state in states.items():
            if told.get(name) != state and state not in {"created", "starting"}:
                say(f"  {name:<14} {state}")
            told[name] = state
        if ended:
            return


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _explain(compose: Compose, wanted: Sequence[str], said: str) -> str:
    """What went wrong: the services that are not healthy with the end of their logs, or Compose's own words."""
    now = containers(compose)
    failed = [name for name in wanted if name in now and now[name].failed]
    parts = []
    for name in failed:
        logs = compose.capture("logs", "--no-color", "--no-log-prefix", "--tail", _LOG_LINES, name)
        parts.append(f"--- the end of the log of {name} ({now[name].said}) ---\n{logs.stdout.strip() or '(empty)'}")
    if failed:
        parts.append(f"Not healthy: {', '.join(failed)}. The whole log: docker compose logs {' '.join(failed)}")
    else:
        errors = [line for line in said.splitlines() if line.strip() and not _PROGRESS.match(line)]
        parts.append("\n".join(["The services did not start. Compose said:", *errors[-12:]]))
    if _PORT_TAKEN.search(said):
        parts.append(
            "Another program uses one of the ports. Give the service another one in .env, for example GTE_PORT=5050\n"
            "(.env.example lists all; on macOS, AirPlay uses 5000)."
        )
    return "\n".join(parts)
