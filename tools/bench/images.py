"""Makes an engine answer and the images available: ours as `make prepare` does, and the one of all rivals."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass

from tools import ROOT
from tools.bench.docker import docker, last_lines
from tools.launcher.commands import Run, open_run
from tools.launcher.compose import Stack
from tools.launcher.images import prepare_images
from tools.launcher.wheels import wheels_override

_OURS, _GENERATOR = "gte-service", "loadtest"
_FILES = ("-f", "compose.yaml", "-f", "tools/bench/compose.yaml")


@dataclass(frozen=True)
class Images:
    """Names of images.

    Attributes:
        ours: the service's.
        rivals: the rivals', "" where it could not be built.
        generator: the load test's, "" where none is needed.
        lacking: why the rivals' could not be built, "" where it could or isn't needed.
    """

    ours: str
    rivals: str = ""
    generator: str = ""
    lacking: str = ""


def make_images(*, with_rivals: bool, with_generator: bool) -> Images:
    """Bring in or build the images.

    Raises:
        ToolError: there is no engine, or an image of ours can't be built.
    """
    # What the launcher prints is progress here.
    with redirect_stdout(sys.stderr):
        run = open_run(ROOT, os.environ, may_install=True)
        stack = run.compose.read()
        services = stack.services
        # For the project of this run, which has another name.
        os.environ["IMAGE_TAG"] = services[_OURS].image.rpartition(":")[2]
        ours = Stack(stack.project, {_OURS: services[_OURS]} | {_GENERATOR: services[_GENERATOR]})
        prepare_images(run.compose, ours, ("", _GENERATOR) if with_generator else ("",), run.settings)
        rivals, lacking = _build_rivals(run, stack) if with_rivals else ("", "")
    generator = services[_GENERATOR].image if with_generator else ""
    return Images(services[_OURS].image, rivals, generator, lacking)


def remove_rivals(images: Images) -> None:
    """Remove the rivals' image; the layers that only it used go with it."""
    if images.rivals:
        docker("image", "rm", images.rivals)


def _build_rivals(run: Run, stack: Stack) -> tuple[str, str]:
    """The image's name, or "" and why it could not be built."""
    compose = run.compose.with_settings(wheels_override([stack.services[_OURS]], run.settings, ROOT))
    build = compose.command(*_FILES, "--progress", "plain", "build", "rivals", profile="bench")
    listing = compose.command(*_FILES, "config", "--images", "rivals", profile="bench")
    for command in (build, listing):
        ended = subprocess.run(
            command, cwd=ROOT, env=compose.environ, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
        if ended.returncode:
            return "", f"the rivals' image could not be built\n{last_lines(ended.stdout + ended.stderr)}"
    return next(line for line in ended.stdout.split() if "rivals" in line), ""
