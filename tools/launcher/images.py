"""Brings every image that the stack needs onto this host: present, pulled, stood in for, or built."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.launcher.compose import Compose, Service, Stack, names
from tools.launcher.console import say
from tools.launcher.engine import this_host
from tools.launcher.errors import ImageError
from tools.launcher.offline import NO_STANDIN, STANDIN_LABEL, run_offline
from tools.launcher.pull import Pulled, pull, registry_of
from tools.launcher.wheels import wheels_override

MAY_BE_LEFT_OUT = frozenset({"grafana"})
"""Services that nothing else needs: the stack starts without them where their image can't be had."""


@dataclass(frozen=True)
class Needed:
    """An upstream image and what it is for: services that run it, or whose own image is built on it."""

    image: str
    runs: tuple[str, ...]
    builds: tuple[str, ...]

    @property
    def optional(self) -> bool:
        """Whether the stack can do without it."""
        return not self.builds and MAY_BE_LEFT_OUT.issuperset(self.runs)


def needed_images(services: Sequence[Service]) -> list[Needed]:
    """The upstream images of some services, each once; those that can be left out come last."""
    images = {service.base_image if service.built else service.image for service in services}
    needed = [
        Needed(
            image,
            tuple(service.name for service in services if not service.built and service.image == image),
            tuple(service.name for service in services if service.built and service.base_image == image),
        )
        for image in sorted(images - {""})
    ]
    return sorted(needed, key=lambda item: item.optional)


def prepare_images(
    compose: Compose, stack: Stack, profiles: Iterable[str], settings: Mapping[str, str]
) -> list[Service]:
    """Bring in or build the images of the services of some profiles ("" is the stack itself).

    Returns:
        The services whose image is here now: all, but for those of MAY_BE_LEFT_OUT.

    Raises:
        ImageError: an image that is needed can't be had; the message says what to do.
    """
    services = [service for profile in profiles for service in stack.active(profile)]
    lacking = _bring_in(compose, needed_images(services), settings)
    left_out = {name for missing in lacking for name in missing.runs}
    present = [service for service in services if service.name not in left_out]
    _build(compose, [service for service in present if service.built], settings)
    return present


def left_out_services(compose: Compose, stack: Stack) -> list[Service]:
    """The services that run nowhere because their image is not here.

    A service that has a container is never among them, whatever became of that container: that is a failure.
    """
    return [
        service
        for service in stack.active()
        if service.name in MAY_BE_LEFT_OUT
        and not is_present(service.image)
        and not compose.capture("ps", "--all", "--quiet", service.name).stdout.strip()
    ]


def is_present(image: str) -> bool:
    """Whether an image is on this host."""
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


def is_standin(image: str) -> bool:
    """Whether the image under this name is one that offline/ has built."""
    form = f'{{{{with .Config.Labels}}}}{{{{index . "{STANDIN_LABEL}"}}}}{{{{end}}}}'
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", form, image], capture_output=True, text=True, check=False
    )
    return asked.returncode == 0 and bool(asked.stdout.strip())


def _bring_in(compose: Compose, needed: Sequence[Needed], settings: Mapping[str, str]) -> list[Needed]:
    """Bring in the upstream images; returns those that can't be had and can be left out."""
    missing = _pull_missing(needed)
    if this_host().takes_packages:
        required = [item.image for item, _ in missing if not item.optional]
        # A stand-in that is here is made again where its recipe has changed; that takes no time where it hasn't.
        stale = [item.image for item in needed if is_standin(item.image)]
        for images in (stale + required, *([item.image] for item, _ in missing if item.optional)):
            if images:
                _build_standins(compose, images, settings)
    missing = [(item, pulled) for item, pulled in missing if not is_present(item.image)]
    for item, pulled in missing:
        if not item.optional:
            raise ImageError(_no_image(item, pulled))
        say(f"Going on without {', '.join(item.runs)}")
    return [item for item, _ in missing]


def _pull_missing(needed: Sequence[Needed]) -> list[tuple[Needed, Pulled]]:
    """Pull what is not here; returns what can't be pulled and why. A registry that is silent is asked once."""
    missing: list[tuple[Needed, Pulled]] = []
    silent: dict[str, Pulled] = {}
    for item in needed:
        if is_present(item.image):
            continue
        registry = registry_of(item.image)
        say(f"Pulling {item.image} ({', '.join(item.runs) or 'to build ' + ', '.join(item.builds)})")
        pulled = silent.get(registry) or pull(item.image)
        if pulled.done:
            continue
        say(f"  not to be had: {pulled.reason}")
        if not pulled.reached:
            silent[registry] = pulled
        missing.append((item, pulled))
    return missing


def _build_standins(compose: Compose, images: Sequence[str], settings: Mapping[str, str]) -> None:
    """Have offline/ make the images from Debian packages; it makes none where it lacks a recipe for one of them."""
    if run_offline(compose.root, settings, "standins.sh", *images) not in {0, NO_STANDIN}:
        raise ImageError(
            f"offline/standins.sh could not build stand-ins for {', '.join(images)}; its lines above say why. Or set\n"
            "IMAGE_REGISTRY in .env to a registry that this host reaches."
        )


def _no_image(item: Needed, pulled: Pulled) -> str:
    needed_by = ", ".join((*item.runs, *item.builds))
    return (
        f"The image {item.image} (for {needed_by}) is not on this host and can't be pulled: {pulled.reason}.\n"
        "Set IMAGE_REGISTRY in .env to a mirror that this host reaches (.env.example names one), or bring the image\n"
        f"from another machine: docker save {item.image} | gzip > image.tar.gz, there; docker load -i image.tar.gz, "
        "here.\nOn Debian, as root, a stand-in would be built from Debian packages."
    )


def _build(compose: Compose, services: Sequence[Service], settings: Mapping[str, str]) -> None:
    """Build our own images; on a terminal with the engine's own progress."""
    if not services:
        return
    compose = compose.with_settings(wheels_override(services, settings, compose.root))
    say(f"Building our images: {', '.join(names(services))}")
    started = time.monotonic()
    if sys.stdout.isatty():
        status = compose.run("build", *names(services), profile="*")
    else:
        built = subprocess.run(
            compose.command("--progress", "plain", "build", *names(services), profile="*"),
            cwd=compose.root,
            env=compose.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        status = built.returncode
        if status != 0:
            say("\n".join(built.stdout.splitlines()[-60:]))
    if status != 0:
        raise ImageError(
            "Our images could not be built; the lines above say why. Where a download failed: PIP_INDEX_URL,\n"
            "DEBIAN_MIRROR, TORCH_INDEX_URL and WHEELS_DIR in .env name other places to fetch from (.env.example\n"
            "explains them)."
        )
    say(f"  built in {time.monotonic() - started:.0f} s")
