"""A running viewer, and the server that it takes for Prometheus."""

from collections.abc import Iterator

import pytest
from running_viewer import FakePrometheus, RunningViewer


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningViewer]:
    """One process for all tests: it keeps nothing between two requests."""
    prometheus = FakePrometheus()
    viewer = RunningViewer(tmp_path_factory.mktemp("viewer"), prometheus)
    try:
        viewer.start()
        yield viewer
    finally:
        viewer.stop()
        prometheus.stop()


@pytest.fixture
def viewer(running: RunningViewer) -> RunningViewer:
    """One that runs, without dashboards, beside a Prometheus that gives every query an empty answer."""
    running.empty()
    running.prometheus.reset()
    return running


@pytest.fixture
def prometheus(viewer: RunningViewer) -> FakePrometheus:
    """The viewer's Prometheus."""
    return viewer.prometheus
