"""One stack for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.awkward import awkward, remove
from tests.stack.chat import Chat
from tests.stack.running import MAKE, Stack


@pytest.fixture(scope="session")
def chat() -> Iterator[Chat]:
    """A chat that the stack's inbox sends to from when a test opens it."""
    closed = Chat()
    yield closed
    closed.remove()


@pytest.fixture(scope="session")
def stack(chat: Chat) -> Iterator[Stack]:
    """The stack as `make demo` starts it after `make down`, in an awkward checkout; gone with its data after all tests.

    The second start is the harder one: Prometheus still has the series of the first, and every container another
    address. All sums, the smoke test and the load test must be right at once.
    """
    plain = Stack()
    told = {"NOTIFY_DIR": str(chat.folder), "HEARTBEAT_URL": chat.heartbeat_url}
    started = awkward(Stack({**plain.environ, **told}))
    clean = [*MAKE, "clean", "CONFIRM=yes"]
    # What an earlier run of this project left when it was killed.
    started.run(*clean)
    try:
        started.must(*MAKE, "demo")
        started.must(*MAKE, "down")
        started.output = started.must(*MAKE, "demo")
        yield started
    finally:
        chat.close(started)
        started.run(*clean)
        remove()
