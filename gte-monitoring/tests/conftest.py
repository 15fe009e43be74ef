"""What several test modules wait by."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until the condition is true, and give its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def small_disk() -> Path:
    """A file system of a few MiB, which whoever starts the tests mounts and names."""
    if "GTE_TEST_SMALL_DISK" not in os.environ:
        pytest.skip("GTE_TEST_SMALL_DISK names no file system of a few MiB; make test mounts one")
    return Path(os.environ["GTE_TEST_SMALL_DISK"])
