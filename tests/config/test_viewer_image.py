"""The image of the dashboard viewer, where npm's registry can't be reached."""

from __future__ import annotations

import pytest

from tests.config.containers import DockerError, docker, needs_engine

pytestmark = needs_engine


def test_a_registry_of_npm_that_cant_be_reached_ends_the_build_soon_with_what_to_do() -> None:
    build = ("compose", "--profile", "*", "--progress", "plain", "build")
    with pytest.raises(DockerError) as failure:
        docker(*build, "--build-arg", "NPM_REGISTRY=http://127.0.0.1:9", "dashboard-viewer", seconds=240)
    assert "npm's registry can't be reached: http://127.0.0.1:9" in str(failure.value)
    assert "Set NPM_REGISTRY in .env to one that can." in str(failure.value)
