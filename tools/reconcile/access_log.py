"""The access log of gte-service as the container engine keeps it: its task requests, and how far back it reaches."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.launcher.compose import Compose
from tools.reconcile.errors import LogError
from tools.reconcile.moments import read_moment, say_moment
from tools.reconcile.scrapes import ERRORS, LATENCY, REQUESTS, Key

SERVICE = "gte-service"
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Line:
    """A task request in the log: when it was counted (seconds since 1970), and what it was counted as."""

    time: float
    task: str
    status: str
    reason: str = ""

    def keys(self) -> Iterator[Key]:
        """The counters that this request has raised by one."""
        yield Key(REQUESTS, self.task, self.status)
        yield Key(LATENCY, self.task, "")
        if self.reason:
            yield Key(ERRORS, self.task, self.reason)


@dataclass(frozen=True)
class Container:
    """One container of the service.

    Attributes:
        addresses: its addresses in the networks it is in.
        log_begin: when the first line was written that the engine still has, None if it has none.
    """

    addresses: frozenset[str]
    log_begin: float | None


def read_lines(compose: Compose, begin: float, end: float) -> list[Line]:
    """The task requests that were logged in a range of the engine's own time stamps, in order.

    Raises:
        LogError: the engine doesn't give the log.
    """
    said = _run(
        compose.command(
            "logs", "--no-color", "--no-log-prefix", "--since", say_moment(begin), "--until", say_moment(end), SERVICE
        ),
        compose,
    )
    return parse_lines(said)


def parse_lines(log: str) -> list[Line]:
    """The task requests among the lines of a log; what is no such line is skipped."""
    return sorted((line for text in log.split("\n") for line in _parse(text)), key=lambda line: line.time)


def read_containers(compose: Compose) -> list[Container]:
    """The containers of the service, stopped ones too.

    Raises:
        LogError: there is none, or the engine doesn't answer.
    """
    identities = _run(compose.command("ps", "--all", "--quiet", SERVICE), compose).split()
    if not identities:
        raise LogError(f"{SERVICE} has no container, so there is no log. Start the stack: make up, or make demo")
    inspected = json.loads(_run(["docker", "inspect", *identities], compose))
    return [
        Container(
            addresses=frozenset(network["IPAddress"] for network in one["NetworkSettings"]["Networks"].values()),
            log_begin=_log_begin(one["Id"], compose),
        )
        for one in inspected
    ]


def log_begin(containers: Sequence[Container]) -> float | None:
    """From when on the logs of all containers are there, None if one has no line at all."""
    begins = [container.log_begin for container in containers]
    known = [begin for begin in begins if begin is not None]
    return max(known) if len(known) == len(begins) else None


def _parse(text: str) -> Iterator[Line]:
    if not text.startswith("{"):
        return
    try:
        said = json.loads(text)
        yield Line(read_moment(said["time"]), said["task_type"], said["status"], said["reason"] or "")
    except (ValueError, KeyError, TypeError):
        return


def _log_begin(identity: str, compose: Compose) -> float | None:
    # All of the log would be up to 30 MB: read one line and leave.
    command = ["docker", "logs", "--timestamps", identity]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=compose.environ, encoding="utf-8",
        errors="replace",
    ) as reading:  # fmt: skip
        assert reading.stdout is not None  # noqa: S101 (as asked for above)
        first = reading.stdout.readline()
        reading.kill()
    if not first:
        return None
    try:
        return read_moment(first.split(maxsplit=1)[0])
    except ValueError:
        raise LogError(
            f"The engine doesn't give the log of {SERVICE}: {first.strip()}. It must be kept by a log driver that can "
            "be read, as json-file in compose.yaml is."
        ) from None


def _run(command: Sequence[str], compose: Compose) -> str:
    # Not Compose.capture: a log is UTF-8 whatever the locale, and a broken character must not end the reading.
    try:
        ran = subprocess.run(
            command, cwd=compose.root, env=compose.environ, stdin=subprocess.DEVNULL, capture_output=True,
            encoding="utf-8", errors="replace", timeout=_TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise LogError(
            f"`{' '.join(command)}` has not ended after {_TIMEOUT_SECONDS:.0f} s: is the engine overloaded? Try again."
        ) from None
    if ran.returncode != 0:
        raise LogError(
            f"`{' '.join(command)}` ended with status {ran.returncode}: {ran.stderr.strip()}\n"
            f"Without it there is no log of {SERVICE}: does the stack run (make status)?"
        )
    return ran.stdout
