"""One stack for all tests of this folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.stack.chat import Chat
from tests.stack.running import MAKE, ROOT, Stack


@pytest.fixture(scope="session")
def chat() -> Iterator[Chat]:
    """A chat that the stack's inbox sends to from when a test opens it."""
    closed = Chat()
    yield closed
    closed.remove()


@pytest.fixture(scope="session")
def stack(chat: Chat) -> Iterator[Stack]:
    """The stack as `make demo` starts it after `make down`; gone, with its data, after the last test.

    The second start is the harder one: Prometheus still has the series of the first, and every container another
    address. All sums, the smoke test and the load test must be right at once.
    """
    started = Stack()
    started.environ = {**started.environ, "NOTIFY_DIR": str(chat.folder), "HEARTBEAT_URL": chat.heartbeat_url}
    clean = [*MAKE, "clean", "CONFIRM=yes"]
    # What an earlier run of this project left when it was killed.
    subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
    try:
        started.must(*MAKE, "demo")
        started.must(*MAKE, "down")
        started.output = started.must(*MAKE, "demo")
        yield started
    finally:
        chat.close(started)
        subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
