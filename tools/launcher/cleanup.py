"""Removes containers of services that are left out, and the stack with its data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tools import cli
from tools.chinese import said
from tools.launcher.compose import Compose, Service, Stack, docker, names
from tools.launcher.console import show
from tools.launcher.images import is_present


def remove_containers(compose: Compose, services: Sequence[Service]) -> None:
    """Remove containers of services that don't run now; an old one would look like a failure, or hold a port."""
    if services:
        compose.capture("rm", "--stop", "--force", *names(services), profile="*")


def clean(compose: Compose, stack: Stack, settings: Mapping[str, str]) -> int:
    """Remove containers, network, volumes and the images that we built, once the user has agreed.

    Returns:
        the exit status: 1 if the user did not agree, or something could not be removed.

    Raises:
        UsageError: nobody can be asked, and neither CONFIRM=yes nor CI is set.
        ToolError: the volumes can't be listed.
    """
    images = [service.image for service in stack.services.values() if service.built and is_present(service.image)]
    show(f"This removes, of the project {stack.project}:\n  all its containers and its network")
    for volume in _volumes(stack.project):
        show(f"  volume {volume}")
    for image in images:
        show(f"  image  {image}")
    if not _agreed(settings):
        show("Nothing was removed.")
        return cli.FAILED
    status = compose.run("down", "--remove-orphans", "--volumes", profile="*")
    # Compose passes over a volume that compose.yaml no longer knows.
    for kind, name in [("volume", volume) for volume in _volumes(stack.project)] + [("image", name) for name in images]:
        removed = docker(kind, "rm", name)
        if removed.returncode != 0:
            show(f"The {kind} {name} was kept: {removed.stderr.strip()}")
            status = status or cli.FAILED
    return status


def _agreed(settings: Mapping[str, str]) -> bool:
    if "CI" in settings or settings.get("CONFIRM") == "yes":
        return True
    if not sys.stdin.isatty():
        raise cli.UsageError(
            "This command asks before it removes data, and there is no terminal to ask on. To remove the data without "
            "being asked: make clean CONFIRM=yes"
        )
    print(said("Go on? [y/N] "), end="", flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _volumes(project: str) -> list[str]:
    listed = docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project}")
    if listed.returncode != 0:
        raise cli.ToolError(f"Docker can't list the volumes:\n{listed.stderr.strip()}")
    return listed.stdout.split()
