"""Brings every image that the stack needs onto this host: present, pulled, replaced by a stand-in, or built."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools import cli
from tools.launcher import proxies
from tools.launcher.compose import Compose, Service, Stack, docker, names
from tools.launcher.console import show
from tools.launcher.container_engine import this_host
from tools.launcher.offline import NO_STANDIN, STANDIN_LABEL, run_offline
from tools.launcher.pull import ANSWER_SECONDS, pull
from tools.launcher.wheels import wheels_override

GRAFANA = "grafana"
VIEWER = "dashboard-viewer"
"""It shows Grafana's dashboards where Grafana is left out."""
DASHBOARD_TOOLS = "dashboard-tools"
MAY_BE_LEFT_OUT = frozenset({GRAFANA, VIEWER, DASHBOARD_TOOLS})
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
        for image in service.base_images if service.built else [service.image]:
            users[image] = (*users.get(image, ()), service.name)
    needed = [Needed(image, users[image]) for image in sorted(users)]
    return sorted(needed, key=lambda item: item.optional)


def prepare_images(
    compose: Compose, stack: Stack, profiles: Iterable[str], settings: Mapping[str, str]
) -> list[Service]:
    """Bring in or build the images of the services of some profiles ("" is the stack itself).

    Returns:
        The services whose image is here now: all, except those of MAY_BE_LEFT_OUT whose image can't be had; and where
        Grafana is one of these, the viewer that takes its place.

    Raises:
        ToolError: an image that is needed can't be had; the message says what to do.
        UsageError: WHEELS_DIR holds PyTorch in another version than the build needs.
    """
    services = [service for profile in profiles for service in stack.active(profile)]
    # Before anything is fetched: the folder with a wrong wheel would end the build after minutes.
    compose = compose.with_settings(wheels_override(services, settings, compose.root))
    lacking = _bring_in(compose, needed_images(services), settings)
    left_out = {name for missing in lacking for name in missing.services}
    if GRAFANA in left_out:
        services += [service for service in stack.active(VIEWER) if service not in services]
    left_out |= _build(compose, [service for service in services if service.built])
    return [service for service in services if service.name not in left_out]


def left_out_services(compose: Compose, stack: Stack) -> list[Service]:
    """The services that run nowhere because their image is not here.

    A service that has a container is never among them, whatever became of that container: that is a failure. The
    viewer is among them only where Grafana is.
    """
    optional = [service for service in stack.services.values() if service.name in (GRAFANA, VIEWER)]
    missing = [
        service
        for service in optional
        if not is_present(service.image)
        and not compose.capture("ps", "--all", "--quiet", service.name, profile="*").stdout.strip()
    ]
    return missing if GRAFANA in names(missing) else []


def missing_services(stack: Stack, present: Sequence[Service]) -> list[Service]:
    """The services that should run and can't, because their image is not among those that are present."""
    missing = [service for service in stack.active() if service not in present]
    if GRAFANA in names(missing):
        missing += [service for service in stack.active(VIEWER) if service not in present]
    return missing


def wanted_services(stack: Stack, left_out: Sequence[Service]) -> list[Service]:
    """The services that should run: all without those that are left out, and the viewer in Grafana's place."""
    wanted = stack.active() + (stack.active(VIEWER) if GRAFANA in names(left_out) else [])
    return [service for service in wanted if service not in left_out]


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
    elif settings.get("GRAFANA_ARCHIVE") and any(GRAFANA in item.services for item, _ in missing):
        raise cli.UsageError(
            f"GRAFANA_ARCHIVE is {settings['GRAFANA_ARCHIVE']}, and an image is made of it as root on Debian only.\n"
            "Set IMAGE_REGISTRY to a mirror, or `docker load` the image. Without either remove GRAFANA_ARCHIVE: then\n"
            f"{VIEWER} shows the dashboards."
        )
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


def _build(compose: Compose, services: Sequence[Service]) -> set[str]:
    """Build our own images; on a terminal with the engine's own progress.

    Those that can be left out are built beside the others, because their build mostly waits for npm's registry.

    Returns:
        the names of those whose build failed, and of which no earlier image is here.
    """
    optional = [service for service in services if service.name in MAY_BE_LEFT_OUT]
    required = [service for service in services if service.name not in MAY_BE_LEFT_OUT]
    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        if optional:
            show(f"Building what draws dashboards without Grafana: {', '.join(names(optional))}")
        outcome = beside.submit(_build_quietly, compose, optional)
        if required:
            show(f"Building our images: {', '.join(names(required))}")
            if sys.stdout.isatty():
                built = compose.run("build", *names(required), profile="*") == 0
            else:
                log = _build_quietly(compose, required)
                show(log) if log else None
                built = not log
            if not built:
                raise cli.ToolError(
                    "Our images could not be built; the lines above say why. Where a download failed: PIP_INDEX_URL,\n"
                    "DEBIAN_MIRROR, TORCH_INDEX_URL and WHEELS_DIR in .env name other places to fetch from "
                    "(.env.example\nexplains them)." + proxies.advice(os.environ)
                )
        log = outcome.result()
    if services:
        show(f"  built in {time.monotonic() - started:.0f} s")
    missing = {service.name for service in optional if log and not is_present(service.image)}
    if log:
        show(f"{log}\n{' and '.join(names(optional))} could not be built; the lines above say why.")
        show(f"Going on without {' and '.join(sorted(missing))}" if missing else "Going on with the earlier image")
    return missing


def _build_quietly(compose: Compose, services: Sequence[Service]) -> str:
    """Build images; returns the end of the log if that fails, "" if it works."""
    if not services:
        return ""
    built = compose.capture("--progress", "plain", "build", *names(services), profile="*", timeout=None)
    lines = (built.stdout + built.stderr).splitlines()[-_LOG_LINES:]
    return "\n".join(lines or ["The build failed and said nothing."]) if built.returncode else ""
