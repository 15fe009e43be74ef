"""A running inbox for each test that asks for one."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_inbox import RunningInbox
from running_robots import RunningRobots


@pytest.fixture
def stopped_inbox(tmp_path: Path) -> Iterator[RunningInbox]:
    """One with an empty database that the test starts itself."""
    running = RunningInbox(tmp_path)
    yield running
    running.stop(signal.SIGKILL)


@pytest.fixture
def inbox(stopped_inbox: RunningInbox) -> RunningInbox:
    """One that runs, with an empty database."""
    stopped_inbox.start()
    return stopped_inbox


@pytest.fixture
def robots() -> Iterator[RunningRobots]:
    """The fake robots, which have heard nothing yet."""
    running = RunningRobots()
    yield running
    running.stop()
