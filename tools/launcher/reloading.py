"""Lets Prometheus and Alertmanager read their configuration again, and makes sure that they have."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tools import cli
from tools.launcher.compose import Compose
from tools.launcher.console import show
from tools.launcher.start import containers

WAIT_SECONDS = 30.0
"""How long a reload may take: Prometheus first restores the states of its alerts."""
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Program:
    """A program that reads its configuration again at SIGHUP.

    Attributes:
        service: its name in compose.yaml, and the prefix of its metrics.
        file: its configuration, from the project's folder; a container has that folder in /etc.
        check: the command that reads the file as the program does.
        port: where it serves its metrics in its container.
    """

    service: str
    file: str
    check: tuple[str, ...]
    port: int

    @property
    def inside(self) -> str:
        """The file's path in the container."""
        return f"/etc/{self.file}"


PROGRAMS = (
    Program("prometheus", "prometheus/prometheus.yml", ("promtool", "check", "config"), 9090),
    Program(
        "alertmanager", "alertmanager/alertmanager.yml",
        ("amtool", "--enable-feature=utf8-strict-mode", "check-config"), 9093,
    ),
)  # fmt: skip


class ReloadError(cli.ToolError):
    """A configuration can't be used, or was not taken."""

    status = cli.FAILED


def reload(compose: Compose) -> int:
    """Check both configurations, let both programs read them, and print what each runs now.

    Raises:
        ToolError: one of them doesn't run.
        ReloadError: a file can't be used, and nothing was reloaded; or a program still runs its former one.
    """
    now = containers(compose)
    for program in PROGRAMS:
        if program.service not in now or now[program.service].state != "running":
            raise cli.ToolError(f"{program.service} does not run. Start it first: docker compose start")
    for program in PROGRAMS:
        _check(compose, program)
    before = {program: _reloaded_at(compose, program) for program in PROGRAMS}
    services = [program.service for program in PROGRAMS]
    sent = compose.capture("kill", "--signal", "HUP", *services)
    if sent.returncode:
        raise ReloadError(f"Docker can't tell them to reload:\n{sent.stderr.strip()}")
    for program in PROGRAMS:
        at = _wait(compose, program, before[program])
        digest = hashlib.sha256((compose.root / program.file).read_bytes()).hexdigest()
        when = datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
        show(f"{program.service:<13} runs {program.file}, sha256 {digest[:12]}, read at {when}")
    return cli.OK


def _check(compose: Compose, program: Program) -> None:
    """Make sure that the container sees the file as it is here, and that the program can use it."""
    checked = compose.capture("exec", "-T", program.service, *program.check, program.inside)
    if checked.returncode:
        raise ReloadError(
            f"{program.file} can't be used, so nothing was reloaded:\n{(checked.stdout + checked.stderr).strip()}"
        )
    seen = compose.capture("exec", "-T", program.service, "cat", program.inside)
    if seen.stdout.splitlines() != _text(compose.root / program.file).splitlines():
        raise ReloadError(
            f"The container of {program.service} sees another {program.file} than this folder has: it was started with "
            f"other mounts. docker compose up -d --no-deps {program.service} makes it anew."
        )


def _wait(compose: Compose, program: Program, before: float) -> float:
    """Wait until the program has read its configuration again; returns when it did, in seconds since 1970."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (at := _reloaded_at(compose, program)) <= before:
        if time.monotonic() > deadline:
            log = compose.capture("logs", "--no-color", "--no-log-prefix", "--tail", "10", program.service)
            raise ReloadError(
                f"{program.service} still runs the configuration that it read at "
                f"{datetime.fromtimestamp(before).astimezone().isoformat(timespec='seconds')}. The end of its log:\n"
                f"{log.stdout.strip()}"
            )
        time.sleep(_POLL_SECONDS)
    return at


def _reloaded_at(compose: Compose, program: Program) -> float:
    """When the program last read a configuration that it could use, in seconds since 1970."""
    name = f"{program.service}_config_last_reload_success_timestamp_seconds"
    address = f"http://127.0.0.1:{program.port}/metrics"
    answer = compose.capture("exec", "-T", program.service, "wget", "-T", "5", "-q", "-O", "-", address)
    found = re.search(rf"^{name} (\S+)$", answer.stdout, re.MULTILINE)
    if found is None:
        raise cli.ToolError(f"{program.service} gives no answer at its /metrics: {answer.stderr.strip()}")
    return float(found[1])


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
