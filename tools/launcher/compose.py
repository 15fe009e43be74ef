"""Runs Docker Compose, and reads compose.yaml with all settings filled in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import cli


def docker(*arguments: str, timeout_seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker's own and keep its output.

    Raises:
        FileNotFoundError: there is no such program.
        subprocess.TimeoutExpired: it has not ended in time.
    """
    return subprocess.run(
        ["docker", *arguments], capture_output=True, encoding="utf-8", errors="replace", timeout=timeout_seconds,
        check=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Port:
    """A published port: `target` inside the container is `published` at `host_ip` of the host."""

    host_ip: str
    published: int
    target: int

    @property
    def address(self) -> str:
        """host:port, as a browser on this host reaches it."""
        host = "127.0.0.1" if self.host_ip in {"", "0.0.0.0", "::"} else self.host_ip
        return f"{f'[{host}]' if ':' in host else host}:{self.published}"


@dataclass(frozen=True)
class Service:
    """One service of compose.yaml, with all settings filled in."""

    name: str
    image: str  # with registry and tag
    built: bool = False  # whether we build the image
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_contexts: Mapping[str, str] = field(default_factory=dict)  # folders beside the build's own, by name
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    replicas: int = 1
    profiles: frozenset[str] = frozenset()  # it starts with one of these only; empty for the stack's own services

    @property
    def base_images(self) -> list[str]:
        """The images that ours is built on."""
        return [self.build_args[name] for name in ("PYTHON_IMAGE", "NODE_EXPORTER_IMAGE") if self.build_args.get(name)]

    def address(self, target: int) -> str:
        """host:port at which the container's port is published, "" if it is not."""
        return next((port.address for port in self.ports if port.target == target), "")


@dataclass(frozen=True)
class Stack:
    """The project's name and its services, those of all profiles included."""

    project: str
    services: Mapping[str, Service]

    def active(self, profile: str = "") -> list[Service]:
        """The services that always run, or those of one profile."""
        return [
            service
            for service in self.services.values()
            if (profile in service.profiles if profile else not service.profiles)
        ]


@dataclass(frozen=True)
class Compose:
    """`docker compose` for one checkout."""

    root: Path  # the folder of compose.yaml
    overrides: Mapping[str, str] = field(default_factory=dict)  # settings over those of .env and of the environment

    def with_settings(self, settings: Mapping[str, str]) -> Compose:
        """The same with further settings."""
        return Compose(self.root, {**self.overrides, **settings})

    @property
    def environ(self) -> dict[str, str]:
        """The variables that our programs run with."""
        # Compose takes an empty COMPOSE_FILE for the name of the folder.
        given = {name: value for name, value in os.environ.items() if value or name != "COMPOSE_FILE"}
        return {**given, "DOCKER_CLI_HINTS": "false", **self.overrides}

    def command(self, *arguments: str, profile: str = "") -> list[str]:
        """The command line. Services of the profile (`*` for all) are known to it."""
        return ["docker", "compose", *(["--profile", profile] if profile else []), *arguments]

    def run(self, *arguments: str, profile: str = "") -> int:
        """Run on our own terminal; returns the exit status."""
        return subprocess.run(
            self.command(*arguments, profile=profile), cwd=self.root, env=self.environ, check=False
        ).returncode

    def capture(
        self, *arguments: str, profile: str = "", stdin: str | None = None, timeout: float | None = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run and keep the output.

        Raises:
            ToolError: it has not ended after `timeout` seconds.
        """
        command = self.command(*arguments, profile=profile)
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        try:
            return subprocess.run(
                command, cwd=self.root, env=self.environ, capture_output=True, encoding="utf-8", errors="replace",
                timeout=timeout, check=False, **given,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise cli.ToolError(
                f"`{' '.join(command)}` has not ended after {timeout:.0f} s: is the engine overloaded? Try again."
            ) from error

    def read(self) -> Stack:
        """Read compose.yaml with the settings of this run.

        Raises:
            UsageError: Compose refuses the file or a setting.
        """
        shown = self.capture("config", "--format", "json", profile="*")
        if shown.returncode != 0:
            raise cli.UsageError(
                "Docker Compose refuses compose.yaml with the settings of .env and of the environment:\n"
                f"{shown.stderr.strip()}\nCorrect the setting that it names; .env.example explains each."
            )
        return parse_stack(json.loads(shown.stdout))


def parse_stack(config: Mapping[str, Any]) -> Stack:
    """Read the JSON of `docker compose config`."""
    return Stack(
        project=str(config["name"]),
        services={name: _parse_service(name, service) for name, service in sorted(config["services"].items())},
    )


def names(services: Sequence[Service]) -> list[str]:
    """The services' names, in the same order."""
    return [service.name for service in services]


def _parse_service(name: str, service: Mapping[str, Any]) -> Service:
    build = service.get("build") or {}
    return Service(
        name=name,
        image=service["image"],
        built=bool(build),
        build_args={key: str(value or "") for key, value in (build.get("args") or {}).items()},
        build_contexts=build.get("additional_contexts") or {},
        environment={key: str(value or "") for key, value in (service.get("environment") or {}).items()},
        ports=tuple(_parse_port(name, port) for port in service.get("ports") or [] if port.get("published")),
        replicas=int(service.get("scale", 1)),
        profiles=frozenset(service.get("profiles") or []),
    )


def _parse_port(service: str, port: Mapping[str, Any]) -> Port:
    published = str(port["published"])
    if not published.isdigit() or not 0 < int(published) < 1 << 16:
        raise cli.UsageError(
            f"{published!r} can't be the port on this host for port {port['target']} of {service}: give a number from "
            "1 to 65535 in .env or the environment. .env.example names the setting of each port."
        )
    return Port(port.get("host_ip", ""), int(published), int(port["target"]))
