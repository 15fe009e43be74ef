"""The Prometheus that the tests of this folder ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.config.server import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One that has loaded the rules."""
    with running_server() as started:
        yield started
