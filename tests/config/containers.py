"""Runs containers of the images that compose.yaml names, so that tests and stack can't differ in version."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tools.launcher.images import is_present

ROOT = Path(__file__).resolve().parents[2]
IMAGE_TAG = os.environ.get("IMAGE_TAG") or os.environ.get("COMPOSE_PROJECT_NAME") or "gte-observability"
"""The tag of our own images, as compose.yaml has it."""
_T = TypeVar("_T")


class DockerError(Exception):
    """A docker command failed; the message holds the command and what it said."""


def docker(*arguments: str, seconds: float = 120, settings: Mapping[str, str] | None = None) -> str:
    """Run a docker command in the project's folder and return its standard output.

    Args:
        arguments: what follows `docker`.
        seconds: how long it may take.
        settings: environment variables beside those of this process.

    Raises:
        DockerError: it ended with a status other than 0.
    """
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env=os.environ | (settings or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise DockerError(f"docker {' '.join(arguments)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def engine_answers() -> bool:
    """Whether there is a Docker engine to run containers with."""
    try:
        docker("version", seconds=20)
    except (DockerError, OSError, subprocess.TimeoutExpired):
        return False
    return True


needs_engine = pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers")


def require_image(image: str, made_by: str) -> None:
    """Leave a test out where an image was not built, and name the command that builds it."""
    if not is_present(image):
        pytest.skip(f"{image} is not there; `{made_by}` builds it")


@functools.cache
def _services() -> dict[str, Any]:
    services: dict[str, Any] = json.loads(docker("compose", "config", "--format", "json"))["services"]
    return services


def image_of(service: str) -> str:
    """The image that compose.yaml gives a service."""
    image: str = _services()[service]["image"]
    return image


def command_of(service: str) -> list[str]:
    """The command that compose.yaml gives a service."""
    command: list[str] = _services()[service]["command"]
    return command


def base_image_of(service: str) -> str:
    """The image that compose.yaml builds a service's image on."""
    image: str = _services()[service]["build"]["args"]["PYTHON_IMAGE"]
    return image


def unique(what: str) -> str:
    """A name for a container, network or project that no other test run uses."""
    return f"obs-test-{what}-{uuid.uuid4().hex[:8]}"


def wait_for(what: str, probe: Callable[[], _T | None], seconds: float = 60) -> _T:
    """Ask `probe` until it gives something true, and return that.

    Args:
        what: the condition in words, for the failure.
        probe: asked again and again; a DockerError counts as "not yet".
        seconds: how long to ask.
    """
    last: object = None
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            last = found = probe()
        except DockerError as error:
            last = error
        else:
            if found:
                return found
        time.sleep(0.2)
    pytest.fail(f"not within {seconds:.0f} s: {what}; last seen: {last}")
