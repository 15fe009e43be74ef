"""One stack for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.stack.chat import Chat
from tests.stack.running import ROOT, Stack

MAKE = ("make", "--no-print-directory", f"PYTHON={sys.executable}")


@contextmanager
def cleaned_up(stack: Stack) -> Iterator[None]:
    """Nothing of this project is there before the block, nor after it."""
    clean = [*MAKE, "clean", "CONFIRM=yes"]
    # What an earlier run of this project left when it was killed.
    subprocess.run(clean, cwd=ROOT, env=stack.environ, capture_output=True, check=False)
    try:
        yield
    finally:
        subprocess.run(clean, cwd=ROOT, env=stack.environ, capture_output=True, check=False)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack as `make demo` starts it after `make down`; gone, with its data, after the last test.

    The second start is the harder one: Prometheus still has the series of the first, and every container another
    address. All sums, the smoke test and the load test must be right at once.
    """
    started = Stack()
    with cleaned_up(started):
        started.must(*MAKE, "demo")
        started.must(*MAKE, "down")
        started.output = started.must(*MAKE, "demo")
        yield started


@pytest.fixture(scope="session")
def told() -> Iterator[tuple[Stack, Chat]]:
    """A stack that tells a chat, and sends a heartbeat there; and that chat."""
    chat = Chat()
    plain = Stack().environ
    started = Stack({**plain, "NOTIFY_DIR": str(chat.folder), "HEARTBEAT_URL": chat.heartbeat_url})
    with cleaned_up(started):
        started.output = started.must(*MAKE, "demo")
        try:
            chat.open(started)
            yield started, chat
        finally:
            chat.close(started)
