"""Makes sure that a container engine answers, or says exactly what to do about it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.launcher.console import say
from tools.launcher.errors import EngineError
from tools.launcher.offline import run_offline

COMPOSE_NEEDED = (2, 24)
"""The first Compose with everything that compose.yaml and this launcher use, for example `--pull never`."""

_INSTALL_PAGE = "https://docs.docker.com/engine/install/"


@dataclass(frozen=True)
class Host:
    """What matters of this machine.

    Attributes:
        system: as `platform.system()`: Linux, Darwin.
        debian: whether it is Debian itself (its relatives have other packages).
        root: whether we are root.
        wsl: whether this Linux runs under Windows.
        docker_service: whether systemd runs here and knows a Docker service.
    """

    system: str
    debian: bool
    root: bool
    wsl: bool
    docker_service: bool

    @property
    def takes_packages(self) -> bool:
        """Whether offline/ works here: it unpacks Debian packages as root."""
        return self.system == "Linux" and self.debian and self.root


@dataclass(frozen=True)
class Answer:
    """What `docker version` came to: `found` is the program, `version` the engine's, `error` why there is none."""

    found: bool
    version: str
    error: str


def this_host() -> Host:
    """Look at this machine."""
    return Host(
        system=platform.system(),
        debian=_os_id() == "debian",
        root=os.geteuid() == 0,
        wsl="microsoft" in platform.release().lower(),
        docker_service=Path("/run/systemd/system").is_dir()
        and any(Path(folder, "docker.service").exists() for folder in ("/lib/systemd/system", "/etc/systemd/system")),
    )


def ask_engine(timeout: float = 20.0) -> Answer:
    """Ask the engine for its version."""
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        return Answer(found=False, version="", error="there is no `docker` program on the PATH")
    except subprocess.TimeoutExpired:
        return Answer(found=True, version="", error=f"no answer within {timeout:.0f} s")
    version = asked.stdout.strip() if asked.returncode == 0 else ""
    return Answer(found=True, version=version, error=asked.stderr.strip())


def require_engine(root: Path, settings: Mapping[str, str], *, may_install: bool) -> None:
    """Return when an engine answers and Compose and Buildx can be used.

    Args:
        root: the project's folder.
        settings: for the Debian mirror.
        may_install: whether an engine may be installed where there is none.

    Raises:
        EngineError: there is no usable engine; the message says what to do.
    """
    host, answer = this_host(), ask_engine()
    if not answer.version:
        advice = advise(host, answer, settings.get("DOCKER_HOST", ""))
        if advice or not may_install:
            raise EngineError(f"No container engine answers: {answer.error}.\n{advice or 'Start it with: make up'}")
        say(
            "No container engine answers, and this is Debian with you as root: installing Docker Engine from Debian\n"
            "packages (once, into /opt/docker) and starting it now. Its log: /var/log/dockerd.log"
        )
        if run_offline(root, settings, "engine.sh") != 0:
            raise EngineError("offline/engine.sh could not install or start an engine; its lines above say why.")
    _require_plugins()


def advise(host: Host, answer: Answer, docker_host: str) -> str:
    """What a person must do so that an engine answers; "" where we can install and start one ourselves."""
    cases = (
        (bool(docker_host), f"DOCKER_HOST is {docker_host}: start the engine there, or unset DOCKER_HOST."),
        (
            "permission denied" in answer.error,
            'You may not talk to it. Add yourself to its group: sudo usermod -aG docker "$USER"\n'
            "then log out and in again.",
        ),
        (
            host.system == "Darwin" and answer.found,
            "Start Docker Desktop (open -a Docker), wait until it says that it runs, and try again.",
        ),
        (
            host.system == "Darwin",
            "Install Docker Desktop (https://docs.docker.com/desktop/), start it, and try again.",
        ),
        (host.docker_service, "Docker is installed and not running. Start it: sudo systemctl start docker"),
        (host.takes_packages, ""),
        (
            host.wsl,
            "Start Docker Desktop on Windows and switch on its WSL integration for this distribution (Settings,\n"
            "Resources, WSL integration), then try again.",
        ),
        (
            host.debian,
            f"Install Docker Engine ({_INSTALL_PAGE}debian/), or let us do it from Debian packages: sudo make up",
        ),
        (answer.found, "Start it, for example: sudo service docker start"),
        (True, f"Install Docker Engine with its Compose plug-in: {_INSTALL_PAGE}"),
    )
    return next(text for applies, text in cases if applies)


def parse_version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version such as `v2.40.3-3`; empty if there are none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(number) for number in found[1].split(".")) if found else ()


def _require_plugins() -> None:
    needed = ".".join(map(str, COMPOSE_NEEDED))
    compose = _plugin_version("compose", "version", "--short")
    if parse_version(compose) < COMPOSE_NEEDED:
        raise EngineError(
            f"Docker Compose {needed} or newer is needed, and `docker compose` is {compose or 'not there'}.\n"
            "Install the package docker-compose-plugin (docker-compose-v2 on Ubuntu), or update Docker Desktop:\n"
            f"{_INSTALL_PAGE}"
        )
    if not _plugin_version("buildx", "version"):
        raise EngineError(
            "Docker Buildx is needed to build our images, and `docker buildx` is not there. Install the package\n"
            f"docker-buildx-plugin (docker-buildx on Ubuntu), or update Docker Desktop: {_INSTALL_PAGE}"
        )


def _plugin_version(*arguments: str) -> str:
    asked = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _os_id() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line[3:].strip("\"' ") for line in lines if line.startswith("ID=")), "")
