"""One stack for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.stack.running import ROOT, Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack as `make demo` starts it; gone, with its data, after the last test."""
    started = Stack()
    clean = ["make", "--no-print-directory", "clean", f"PYTHON={sys.executable}", "CONFIRM=yes"]
    # What an earlier run of this project left when it was killed.
    subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
    try:
        started.output = started.must("make", "--no-print-directory", "demo", f"PYTHON={sys.executable}")
        yield started
    finally:
        subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
