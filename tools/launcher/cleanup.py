"""Takes the stack down: without its data, or with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from tools.launcher.compose import Compose, Service, Stack, names
from tools.launcher.console import complain, say
from tools.launcher.errors import LauncherError, StackError
from tools.launcher.images import is_present


def down(compose: Compose) -> int:
    """Stop and remove the containers and the network; data stays."""
    return compose.run("down", "--remove-orphans", profile="*")


def remove_containers(compose: Compose, services: Sequence[Service]) -> None:
    """Remove what is left of services that are left out now: else an old container would pass for one that failed."""
    if services:
        compose.capture("rm", "--stop", "--force", *names(services))


def clean(compose: Compose, stack: Stack, settings: Mapping[str, str]) -> int:
    """Remove containers, network, volumes and the images that we built, once the person has agreed.

    Raises:
        StackError: nobody can be asked, or the volumes can't be listed.
    """
    volumes = _volumes(stack.project)
    images = [service.image for service in stack.services.values() if service.built and is_present(service.image)]
    say(f"This removes, of the project {stack.project}:")
    say("  all its containers and its network")
    for volume in volumes:
        say(f"  volume {volume}")
    for image in images:
        say(f"  image  {image}")
    if not _agreed(settings):
        say("Nothing was removed.")
        return 1
    status = compose.run("down", "--remove-orphans", "--volumes", profile="*")
    # Compose passes over a volume that compose.yaml no longer knows.
    doomed = [("volume", volume) for volume in _volumes(stack.project)] + [("image", image) for image in images]
    for kind, name in doomed:
        removed = subprocess.run(["docker", kind, "rm", name], capture_output=True, text=True, check=False)
        if removed.returncode != 0:
            complain(f"kept {kind} {name}: {removed.stderr.strip()}")
            status = status or 1
    return status


def _agreed(settings: Mapping[str, str]) -> bool:
    if "CI" in settings or settings.get("CONFIRM") == "yes":
        return True
    if not sys.stdin.isatty():
        raise StackError("`make clean` asks before it removes data, and nobody can answer here: make clean CONFIRM=yes")
    return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}


def _volumes(project: str) -> list[str]:
    command = ["docker", "volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        raise LauncherError(f"Docker can't list the volumes:\n{listed.stderr.strip()}")
    return listed.stdout.split()
