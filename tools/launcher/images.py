"""Brings every image that the stack needs onto this host: present, pulled, replaced by a stand-in, or built."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools import cli
from tools.launcher.compose import Compose, Service, Stack, docker, names
from tools.launcher.console import show
from tools.launcher.container_engine import this_host
from tools.launcher.offline import NO_STANDIN, STANDIN_LABEL, run_offline
from tools.launcher.pull import ANSWER_SECONDS, pull
from tools.launcher.wheels import wheels_override

MAY_BE_LEFT_OUT = frozenset({"grafana"})
"""Services that nothing else needs: the stack starts without them where their image can't be had."""

_LOG_LINES = 60


@dataclass(frozen=True)
class Needed:
    """An upstream image, and the services that run it or whose own image is built on it."""

    image: str
    services: tuple[str, ...]

    @property
    def optional(self) -> bool:
        """Whether the stack can do without it."""
        return MAY_BE_LEFT_OUT.issuperset(self.services)


def needed_images(services: Sequence[Service]) -> list[Needed]:
    """The upstream images of some services, each once; those that can be left out come last."""
    users: dict[str, tuple[str, ...]] = {}
    for service in services:
        image = service.base_image if service.built else service.image
        users[image] = (*users.get(image, ()), service.name)
    needed = [Needed(image, users[image]) for image in sorted(users) if image]
    return sorted(needed, key=lambda item: item.optional)


def prepare_images(
    compose: Compose, stack: Stack, profiles: Iterable[str], settings: Mapping[str, str]
) -> list[Service]:
    """Bring in or build the images of the services of some profiles ("" is the stack itself).

    Returns:
        The services whose image is here now: all, except those of MAY_BE_LEFT_OUT whose image can't be had.

    Raises:
        ToolError: an image that is needed can't be had; the message says what to do.
        UsageError: WHEELS_DIR holds PyTorch in another version than the build needs.
    """
    services = [service for profile in profiles for service in stack.active(profile)]
    # Before anything is fetched: the folder with a wrong wheel would end the build after minutes.
    compose = compose.with_settings(wheels_override(services, settings, compose.root))
    lacking = _bring_in(compose, needed_images(services), settings)
    left_out = {name for missing in lacking for name in missing.services}
    present = [service for service in services if service.name not in left_out]
    _build(compose, [service for service in present if service.built])
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
    return docker("image", "inspect", image).returncode == 0


def is_standin(image: str) -> bool:
    """Whether the image under this name is one that offline/ has built."""
    form = f'{{{{with .Config.Labels}}}}{{{{index . "{STANDIN_LABEL}"}}}}{{{{end}}}}'
    return bool(docker("image", "inspect", "--format", form, image).stdout.strip())


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
    missing = [(item, reason) for item, reason in missing if not is_present(item.image)]
    for item, reason in missing:
        if not item.optional:
            raise cli.ToolError(
                f"The image {item.image} (for {', '.join(item.services)}) is not on this host, and can't be pulled:\n"
                f"{reason}.\n"
                "Set IMAGE_REGISTRY in .env to a mirror that this host reaches (.env.example names one), or bring the\n"
                f"image from another machine: docker save {item.image} | gzip > image.tar.gz\n"
                "there, docker load -i image.tar.gz here. As root on Debian, `make up` builds a stand-in from Debian "
                "packages."
            )
        show(f"Going on without {', '.join(item.services)}")
    return [item for item, _ in missing]


def _pull_missing(needed: Sequence[Needed]) -> list[tuple[Needed, str]]:
    """Pull the images that are not here; returns those that can't be pulled, each with the reason."""
    absent = [item for item in needed if not is_present(item.image)]
    if not absent:
        return []
    show(f"Pulling images, unless their registry is silent for {ANSWER_SECONDS:.0f} s:")
    for item in absent:
        show(f"  {item.image}")
    reasons = pull([item.image for item in absent])
    missing = [
        (item, reasons.get(item.image, f"`docker pull {item.image}` shows why"))
        for item in absent
        if not is_present(item.image)
    ]
    for item, reason in missing:
        show(f"  {item.image} can't be pulled: {reason}")
    return missing


def _build_standins(compose: Compose, images: Sequence[str], settings: Mapping[str, str]) -> None:
    """Have offline/ make the images from Debian packages; it makes none where it lacks a recipe for one of them."""
    if run_offline(compose.root, settings, "standins.sh", *images) not in {0, NO_STANDIN}:
        raise cli.ToolError(
            f"offline/standins.sh could not build stand-ins for {', '.join(images)}; its lines above say why. Or set\n"
            "IMAGE_REGISTRY in .env to a registry that this host reaches."
        )


def _build(compose: Compose, services: Sequence[Service]) -> None:
    """Build our own images; on a terminal with the engine's own progress."""
    if not services:
        return
    show(f"Building our images: {', '.join(names(services))}")
    started = time.monotonic()
    if sys.stdout.isatty():
        status = compose.run("build", *names(services), profile="*")
    else:
        built = compose.capture("--progress", "plain", "build", *names(services), profile="*", timeout=None)
        status = built.returncode
        if status != 0:
            show("\n".join((built.stdout + built.stderr).splitlines()[-_LOG_LINES:]))
    if status != 0:
        raise cli.ToolError(
            "Our images could not be built; the lines above say why. Where a download failed: PIP_INDEX_URL,\n"
            "DEBIAN_MIRROR, TORCH_INDEX_URL and WHEELS_DIR in .env name other places to fetch from (.env.example\n"
            "explains them)."
        )
    show(f"  built in {time.monotonic() - started:.0f} s")
