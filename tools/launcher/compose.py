"""Runs Docker Compose, and reads from it what compose.yaml and the settings come to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.launcher.errors import SettingsError, StackError


@dataclass(frozen=True)
class Port:
    """A published port: `target` inside the container is `published` at `host_ip` of the host."""

    host_ip: str
    published: int
    target: int

    @property
    def address(self) -> str:
        """host:port, as a browser on this host reaches it."""
        return f"{'127.0.0.1' if self.host_ip in {'', '0.0.0.0', '::'} else self.host_ip}:{self.published}"


@dataclass(frozen=True)
class Service:
    """One service of compose.yaml, with all settings filled in.

    Attributes:
        name: its name in compose.yaml.
        image: the image's name with registry and tag.
        built: whether we build the image.
        base_image: the image that ours is built on, "" if it is not built.
        build_args: build arguments by name.
        build_contexts: folders that the build may read beside its own, by name.
        environment: variables of the container.
        mounts: the host folder or volume by the path where the container sees it.
        ports: published ports.
        profiles: it starts only when one of these is asked for; empty for the stack's own services.
    """

    name: str
    image: str
    built: bool = False
    base_image: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    profiles: frozenset[str] = frozenset()

    def address(self, target: int) -> str:
        """host:port at which the container's port is published, "" if it is not."""
        return next((port.address for port in self.ports if port.target == target), "")


@dataclass(frozen=True)
class Stack:
    """What `docker compose config` says: the project's name and its services, those of all profiles included."""

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
    """`docker compose` for one checkout.

    Attributes:
        root: the folder of compose.yaml.
        overrides: settings that go over those of .env and of the environment.
    """

    root: Path
    overrides: Mapping[str, str] = field(default_factory=dict)

    def with_settings(self, settings: Mapping[str, str]) -> Compose:
        """The same with further settings."""
        return Compose(self.root, {**self.overrides, **settings})

    @property
    def environ(self) -> dict[str, str]:
        """What our programs run with."""
        return {**os.environ, "DOCKER_CLI_HINTS": "false", **self.overrides}

    def command(self, *arguments: str, profile: str = "") -> list[str]:
        """The command line. Services of the profile (`*` for all) are known to it."""
        return ["docker", "compose", *(["--profile", profile] if profile else []), *arguments]

    def run(self, *arguments: str, profile: str = "") -> int:
        """Run on our own terminal; returns the exit status."""
        return subprocess.run(
            self.command(*arguments, profile=profile), cwd=self.root, env=self.environ, check=False
        ).returncode

    def capture(
        self, *arguments: str, profile: str = "", stdin: str | None = None, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run and keep what it prints.

        Raises:
            StackError: it has not ended after `timeout` seconds.
        """
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        command = self.command(*arguments, profile=profile)
        try:
            return subprocess.run(
                command,
                cwd=self.root,
                env=self.environ,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                **given,
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(
                f"`{' '.join(command)}` has not ended after {timeout:.0f} s: is the engine overloaded? Try again."
            ) from error

    def read(self) -> Stack:
        """What compose.yaml comes to with the settings of this run.

        Raises:
            SettingsError: Compose refuses the file or a setting.
        """
        shown = self.capture("config", "--format", "json", profile="*")
        if shown.returncode != 0:
            raise SettingsError(
                "Compose refuses compose.yaml with the settings of .env and of the environment:\n"
                f"{shown.stderr.strip()}\nCorrect the setting that it names; .env.example explains each."
            )
        return parse_stack(json.loads(shown.stdout))


def parse_stack(config: Mapping[str, Any]) -> Stack:
    """Read the JSON of `docker compose config`."""
    return Stack(
        project=config["name"],
        services={name: _parse_service(name, service) for name, service in sorted(config["services"].items())},
    )


def parse_rows(text: str) -> list[dict[str, Any]]:
    """Rows of Compose's `--format json`: one object a line, or one list in older versions."""
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def names(services: Sequence[Service]) -> list[str]:
    """Names of services."""
    return [service.name for service in services]


def _parse_service(name: str, service: Mapping[str, Any]) -> Service:
    build = service.get("build") or {}
    arguments = {key: str(value or "") for key, value in (build.get("args") or {}).items()}
    return Service(
        name=name,
        image=service["image"],
        built=bool(build),
        base_image=arguments.get("PYTHON_IMAGE", ""),
        build_args=arguments,
        build_contexts=build.get("additional_contexts") or {},
        environment={key: str(value or "") for key, value in (service.get("environment") or {}).items()},
        mounts={mount["target"]: mount.get("source", "") for mount in service.get("volumes") or []},
        ports=tuple(
            Port(port.get("host_ip", ""), int(port["published"]), int(port["target"]))
            for port in service.get("ports") or []
            if port.get("published")
        ),
        profiles=frozenset(service.get("profiles") or []),
    )
