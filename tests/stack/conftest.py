"""One stack for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.stack.running import ROOT, Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack as `make demo` starts it after `make down`; gone, with its data, after the last test.

    The second start is the harder one: Prometheus still has the series of the first, and every container another
    address. All sums, the smoke test and the load test must be right at once.
    """
    started = Stack()
    make = ("make", "--no-print-directory", f"PYTHON={sys.executable}")
    clean = [*make, "clean", "CONFIRM=yes"]
    # What an earlier run of this project left when it was killed.
    subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
    try:
        started.must(*make, "demo")
        started.must(*make, "down")
        started.output = started.must(*make, "demo")
        yield started
    finally:
        subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
