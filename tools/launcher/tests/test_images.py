"""The images that are needed, and the service that may be left out."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import ROOT, cli
from tools.launcher.cleanup import remove_containers
from tools.launcher.compose import Compose, Service, names
from tools.launcher.images import (
    Needed,
    is_present,
    is_standin,
    left_out_services,
    missing_services,
    needed_images,
    prepare_images,
    wanted_services,
)
from tools.launcher.offline import NO_STANDIN, STANDIN_LABEL
from tools.launcher.tests.conftest import needs_engine

SERVICES = [
    Service("grafana", "grafana/grafana:1"),
    Service("gte-service", "gte:local", built=True, build_args={"PYTHON_IMAGE": "python:3"}),
    Service("inbox", "inbox:local", built=True, build_args={"PYTHON_IMAGE": "python:3"}),
    Service("prometheus", "prom/prometheus:1"),
]


def test_each_upstream_image_is_needed_once_with_its_services_and_never_our_own() -> None:
    assert needed_images(SERVICES) == [
        Needed("prom/prometheus:1", ("prometheus",)),
        Needed("python:3", ("gte-service", "inbox")),
        Needed("grafana/grafana:1", ("grafana",)),
    ]


def test_an_image_that_a_build_needs_too_can_not_be_left_out() -> None:
    assert not Needed("grafana/grafana:1", ("grafana", "smoke-test")).optional


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """The name of a tiny image that is here."""
    name = f"launcher-test/{uuid.uuid4().hex[:8]}:1"
    (tmp_path / "rootfs").mkdir()
    archive = subprocess.run(["tar", "-C", str(tmp_path / "rootfs"), "-c", "."], capture_output=True, check=True).stdout
    command = ["docker", "import", "--change", f"LABEL {STANDIN_LABEL}=key", "-", name]
    subprocess.run(command, input=archive, capture_output=True, check=True)
    yield name
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


@needs_engine
def test_an_image_is_known_to_be_here_or_not(image: str) -> None:
    assert is_present(image)
    assert is_standin(image)
    assert not is_present(f"{image}-not")
    assert not is_standin(f"{image}-not")


@needs_engine
def test_grafana_without_an_image_is_left_out(project: Callable[[str], Compose]) -> None:
    compose = project(
        "services:\n  grafana:\n    image: launcher-test/none:1\n  other:\n    image: launcher-test/none:1\n"
    )
    assert names(left_out_services(compose, compose.read())) == ["grafana"]


@needs_engine
def test_grafana_whose_image_is_here_is_not_left_out_running_or_not(
    project: Callable[[str], Compose], image: str
) -> None:
    compose = project(f"services:\n  grafana:\n    image: {image}\n    command: [absent]\n")
    assert left_out_services(compose, compose.read()) == []
    assert compose.capture("up", "--detach", "--pull", "never").returncode != 0
    assert left_out_services(compose, compose.read()) == []


@needs_engine
def test_grafana_that_failed_is_not_left_out_though_its_image_is_gone_until_its_container_is_removed(
    project: Callable[[str], Compose], image: str
) -> None:
    compose = project(f"services:\n  grafana:\n    image: {image}\n    command: [absent]\n")
    assert compose.capture("create", "--pull", "never").returncode == 0
    subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=True)
    assert not is_present(image)
    assert left_out_services(compose, compose.read()) == []
    remove_containers(compose, compose.read().active())
    assert names(left_out_services(compose, compose.read())) == ["grafana"]


@pytest.fixture
def unreachable(project: Callable[[str], Compose]) -> Callable[..., Compose]:
    """A project whose images would come from a registry that is not there."""

    def write(*services: str) -> Compose:
        lines = "".join(f"  {name}:\n    image: 127.0.0.1:9/{name}/{name}:1\n" for name in services)
        compose = project(f"services:\n{lines}")
        (compose.root / "offline").symlink_to(ROOT / "offline")
        return compose

    return write


@needs_engine
def test_the_stack_goes_on_without_grafana_only(
    unreachable: Callable[..., Compose], capfd: pytest.CaptureFixture[str]
) -> None:
    compose = unreachable("grafana")
    assert prepare_images(compose, compose.read(), [""], {}) == []
    printed = capfd.readouterr().out
    assert "connection refused" in printed
    assert "Going on without grafana" in printed


VIEWER = """  dashboard-viewer:
    profiles: [dashboard-viewer]
    image: launcher-test/viewer-{tag}:1
    build:
      context: .
      dockerfile_inline: |
        FROM scratch
        COPY {file} /
"""


@pytest.fixture
def with_viewer(project: Callable[[str], Compose]) -> Iterator[Callable[[str, str], Compose]]:
    """A project with a Grafana from a given image, and a viewer whose image copies a given file."""
    tag = uuid.uuid4().hex[:8]

    def write(grafana: str, file: str) -> Compose:
        viewer = VIEWER.format(tag=tag, file=file)
        compose = project(f"services:\n  grafana:\n    image: {grafana}\n    command: [absent]\n{viewer}")
        offline = compose.root / "offline"
        if not offline.exists():
            offline.symlink_to(ROOT / "offline")
        return compose

    yield write
    subprocess.run(
        ["docker", "image", "rm", "--force", f"launcher-test/viewer-{tag}:1"], capture_output=True, check=False
    )


@needs_engine
def test_the_viewer_takes_the_place_of_grafana_only(with_viewer: Callable[[str, str], Compose], image: str) -> None:
    compose = with_viewer("127.0.0.1:9/grafana/grafana:1", "compose.yaml")
    stack = compose.read()
    assert names(left_out_services(compose, stack)) == ["dashboard-viewer", "grafana"]
    assert names(prepare_images(compose, stack, [""], {})) == ["dashboard-viewer"]
    assert names(missing_services(stack, [stack.services["dashboard-viewer"]])) == ["grafana"]
    left_out = left_out_services(compose, stack)
    assert names(left_out) == ["grafana"]
    assert names(wanted_services(stack, left_out)) == ["dashboard-viewer"]

    compose = with_viewer(image, "compose.yaml")
    stack = compose.read()
    assert names(prepare_images(compose, stack, [""], {})) == ["grafana"]
    assert missing_services(stack, [stack.services["grafana"]]) == []
    assert left_out_services(compose, stack) == []
    assert names(wanted_services(stack, [])) == ["grafana"]


@needs_engine
def test_a_viewer_that_cant_be_built_is_left_out_and_the_log_says_why(
    with_viewer: Callable[[str, str], Compose], capfd: pytest.CaptureFixture[str]
) -> None:
    compose = with_viewer("127.0.0.1:9/grafana/grafana:1", "missing-file")
    stack = compose.read()
    assert prepare_images(compose, stack, [""], {}) == []
    assert names(missing_services(stack, [])) == ["grafana", "dashboard-viewer"]
    printed = capfd.readouterr().out
    assert '"/missing-file": not found' in printed
    assert "Going on without dashboard-viewer" in printed


@needs_engine
def test_a_viewer_that_can_no_longer_be_built_goes_on_with_its_earlier_image(
    with_viewer: Callable[[str, str], Compose], capfd: pytest.CaptureFixture[str]
) -> None:
    compose = with_viewer("127.0.0.1:9/grafana/grafana:1", "compose.yaml")
    prepare_images(compose, compose.read(), [""], {})
    compose = with_viewer("127.0.0.1:9/grafana/grafana:1", "missing-file")
    assert names(prepare_images(compose, compose.read(), [""], {})) == ["dashboard-viewer"]
    assert "Going on with the earlier image" in capfd.readouterr().out


@needs_engine
def test_an_image_that_is_needed_ends_the_run_with_what_to_do(unreachable: Callable[..., Compose]) -> None:
    compose = unreachable("grafana", "other")
    with pytest.raises(cli.ToolError, match=r"127\.0\.0\.1:9/other/other:1 \(for other\)") as raised:
        prepare_images(compose, compose.read(), [""], {})
    assert "IMAGE_REGISTRY" in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "grafana/grafana:0.0.1",
        "mirror.example/grafana/grafana:0.0.1",
        "somebody/python:3.11-slim-bookworm",
        "prom/prometheus",
    ],
)
def test_there_is_no_standin_for_others(name: str) -> None:
    command, environ = [str(ROOT / "offline/standins.sh"), name], {**os.environ, "GRAFANA_ARCHIVE": ""}
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == NO_STANDIN
    assert f"no stand-in exists for {name}" in ran.stderr


def test_the_label_is_the_one_that_offline_writes() -> None:
    assert f"STANDIN_LABEL={STANDIN_LABEL}\n" in (ROOT / "offline/lib/image.sh").read_text(encoding="utf-8")
