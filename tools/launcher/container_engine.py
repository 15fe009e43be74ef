"""Makes sure that a container engine answers, or says exactly what to do about it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import cli
from tools.launcher.compose import docker
from tools.launcher.console import show
from tools.launcher.offline import run_offline

COMPOSE_NEEDED = (2, 24)
"""The first Compose with everything that compose.yaml and this launcher use, for example `--pull never`."""
PAUSE_SECONDS = 5.0
"""How long a person has to stop the installation of an engine."""

_INSTALL_PAGE = "https://docs.docker.com/engine/install/"


@dataclass(frozen=True)
class Host:
    """The properties of this machine that decide how an engine gets to run on it."""

    system: str  # Linux, Darwin
    debian: bool  # Debian itself: its relatives have other packages
    root: bool
    wsl: bool  # a Linux under Windows
    docker_service: bool  # systemd runs here and knows a Docker service

    @property
    def takes_packages(self) -> bool:
        """Whether offline/ works here: it unpacks Debian packages as root."""
        return self.system == "Linux" and self.debian and self.root


@dataclass(frozen=True)
class Answer:
    """The answer to `docker version`."""

    found: bool  # there is a `docker` program
    version: str  # of the engine, "" if none answers
    error: str  # why none answers


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


def ask_engine(timeout_seconds: float = 20.0) -> Answer:
    """Ask the engine for its version."""
    try:
        asked = docker("version", "--format", "{{.Server.Version}}", timeout_seconds=timeout_seconds)
    except FileNotFoundError:
        return Answer(found=False, version="", error="there is no `docker` program on the PATH")
    except subprocess.TimeoutExpired:
        return Answer(found=True, version="", error=f"no answer within {timeout_seconds:.0f} s")
    version = asked.stdout.strip() if asked.returncode == 0 else ""
    return Answer(found=True, version=version, error=asked.stderr.strip())


def require_engine(root: Path, environ: Mapping[str, str], *, may_install: bool) -> None:
    """Return when an engine answers and Compose and Buildx can be used.

    Args:
        root: the project's folder.
        environ: DOCKER_HOST, INSTALL, CI and DEBIAN_MIRROR are read from it.
        may_install: whether an engine may be installed or started where none answers.

    Raises:
        ToolError: there is no usable engine; the message says what to do.
    """
    host, answer = this_host(), ask_engine()
    if not answer.version:
        advice = advise(host, answer, environ.get("DOCKER_HOST", ""))
        if advice or not may_install:
            raise cli.ToolError(f"No container engine answers: {answer.error}.\n{advice or 'Start it with: make up'}")
        show("No container engine answers. This is Debian and you are root, so one is installed and started now:")
        announce_engine(environ, can_interrupt=sys.stdin.isatty() and sys.stdout.isatty())
        if run_offline(root, environ, "engine.sh") != 0:
            raise cli.ToolError("offline/engine.sh could not install or start an engine; its lines above say why.")
    _require_plugins()


def announce_engine(environ: Mapping[str, str], *, can_interrupt: bool) -> None:
    """Print what an installation changes, and give a person at a terminal the time to stop it.

    Nobody is waited for under CI, off a terminal, or with INSTALL=yes in the environment.
    """
    show(
        "  programs of Debian testing into /opt/docker, /usr/local/bin and /usr/local/lib/docker/cli-plugins: Docker\n"
        "    Engine, its command line, Compose and Buildx; programs that are there already are only started\n"
        "  packages of this Debian, where they are missing: runc, iptables, tini\n"
        "  a dockerd that keeps running; its log is /var/log/dockerd.log"
    )
    if can_interrupt and "CI" not in environ and environ.get("INSTALL") != "yes":
        show(f"It begins in {PAUSE_SECONDS:.0f} seconds. Ctrl-C stops it; `make up INSTALL=yes` doesn't wait.")
        time.sleep(PAUSE_SECONDS)


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
    compose = docker("compose", "version", "--short").stdout.strip()
    if parse_version(compose) < COMPOSE_NEEDED:
        raise cli.ToolError(
            f"Docker Compose {needed} or newer is needed, and `docker compose` is {compose or 'missing'}.\n"
            "Install the package docker-compose-plugin (docker-compose-v2 on Ubuntu), or update Docker Desktop:\n"
            f"{_INSTALL_PAGE}"
        )
    if docker("buildx", "version").returncode != 0:
        raise cli.ToolError(
            "Docker Buildx builds our images, and `docker buildx` is missing. Install the package\n"
            f"docker-buildx-plugin (docker-buildx on Ubuntu), or update Docker Desktop: {_INSTALL_PAGE}"
        )


def _os_id() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return ""
