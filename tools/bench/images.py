"""Makes an engine answer and the images available: ours as `make prepare` does, and the one of all rivals."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from tools.bench.docker import docker, last_lines
from tools.bench.errors import CandidateError, SetupError
from tools.launcher.commands import Run, open_run
from tools.launcher.compose import Stack
from tools.launcher.errors import LauncherError
from tools.launcher.images import prepare_images
from tools.launcher.wheels import wheels_override

ROOT = Path(__file__).resolve().parents[2]
_OURS = "gte-service"
_FILES = ("-f", "compose.yaml", "-f", "bench/compose.yaml")


@dataclass(frozen=True)
class Images:
    """Names of images.

    Attributes:
        ours: the service's.
        rivals: the rivals', "" where it could not be built.
        lacking: why it could not be built, "" where it could or isn't needed.
    """

    ours: str
    rivals: str
    lacking: str = ""


def make_images(*, with_rivals: bool) -> Images:
    """Bring in or build the images.

    Raises:
        SetupError: there is no engine, or our own image can't be built.
    """
    # What the launcher says is progress here.
    with redirect_stdout(sys.stderr):
        return _make_images(with_rivals)


def _make_images(with_rivals: bool) -> Images:
    try:
        run = open_run(ROOT, os.environ, may_install=True)
        stack = run.compose.read()
        only_ours = Stack(stack.project, {_OURS: stack.services[_OURS]})
        prepare_images(run.compose, only_ours, ("",), run.settings)
    except LauncherError as error:
        raise SetupError(str(error)) from error
    ours = stack.services[_OURS].image
    if not with_rivals:
        return Images(ours, "")
    try:
        return Images(ours, _build_rivals(run, stack))
    except CandidateError as error:
        return Images(ours, "", f"{error}\n{error.log}")


def remove_rivals(images: Images) -> None:
    """Remove the rivals' image; the layers that only it used go with it."""
    if images.rivals:
        docker("image", "rm", images.rivals)


def _build_rivals(run: Run, stack: Stack) -> str:
    compose = run.compose.with_settings(wheels_override([stack.services[_OURS]], run.settings, ROOT))
    command = compose.command(*_FILES, "--progress", "plain", "build", "rivals", profile="bench")
    built = subprocess.run(
        command, cwd=ROOT, env=compose.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise CandidateError("the rivals' image could not be built", last_lines(built.stdout + built.stderr))
    listed = subprocess.run(
        compose.command(*_FILES, "config", "--images", "rivals", profile="bench"),
        cwd=ROOT, env=compose.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return next(line for line in listed.stdout.split() if "rivals" in line)
