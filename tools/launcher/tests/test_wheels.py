"""The folder that PyTorch's wheel is taken from, and the version that it must have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import ROOT, cli
from tools.launcher.compose import Compose, Service
from tools.launcher.tests.conftest import needs_docker
from tools.launcher.wheels import find_links_folders, has_torch, wheels_override

BUILD = [
    Service(
        "gte-service",
        "gte:1",
        built=True,
        build_args={"TORCH_VERSION": "2.13.0+cpu"},
        build_contexts={"wheels": "offline/wheels"},
    )
]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    return folder


def test_paths_and_file_addresses_are_folders_and_others_are_not() -> None:
    links = "/wheels\nfile:///more%20wheels https://mirror.example/wheels\n~/own"
    assert find_links_folders(links) == [Path("/wheels"), Path("/more wheels"), Path.home() / "own"]


def test_only_a_cpu_wheel_of_torch_counts(tmp_path: Path, wheels: Path) -> None:
    assert has_torch(wheels)
    assert not has_torch(tmp_path)
    assert not has_torch(tmp_path / "absent")
    (tmp_path / "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    (tmp_path / "torchvision-0.28.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    assert not has_torch(tmp_path)


def test_the_folder_of_pip_is_taken(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path} {wheels}")
    assert wheels_override(BUILD, {}, tmp_path) == {"WHEELS_DIR": str(wheels)}


@pytest.mark.parametrize(
    "lines",
    [
        "[global]\nfind-links = {}",
        "[global]\nfind-links = /a\n    {}",
        "[global]\nfind-links = /a\n[install]\nfind-links = {}",
    ],
)
def test_pips_configuration_is_read_where_there_is_no_variable(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(lines.format(wheels), encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert wheels_override(BUILD, {}, tmp_path) == {"WHEELS_DIR": str(wheels)}


def test_a_folder_that_the_settings_name_stays(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert wheels_override(BUILD, {"WHEELS_DIR": "/mine"}, tmp_path) == {}


def test_a_wheel_in_the_projects_own_folder_goes_first(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    (tmp_path / "offline").mkdir()
    wheels.rename(tmp_path / "offline/wheels")
    assert wheels_override(BUILD, {}, tmp_path) == {}


def test_a_build_without_wheels_needs_no_folder(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert wheels_override([Service("inbox", "inbox:1", built=True)], {}, tmp_path) == {}


@pytest.mark.parametrize("settings", [True, False])
def test_a_wheel_of_another_version_is_named_before_a_build(tmp_path: Path, wheels: Path, settings: bool) -> None:
    (old := next(wheels.iterdir())).rename(wheels / old.name.replace("2.13.0", "2.12.1"))
    if not settings:
        (tmp_path / "offline").mkdir()
        wheels.rename(tmp_path / "offline/wheels")
    with pytest.raises(cli.UsageError, match=r"holds torch-2\.12\.1\+cpu-.*built with torch 2\.13\.0\+cpu"):
        wheels_override(BUILD, {"WHEELS_DIR": str(wheels)} if settings else {}, tmp_path)


def test_a_folder_of_pip_with_another_version_is_passed_over(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old := next(wheels.iterdir())).rename(wheels / old.name.replace("2.13.0", "2.12.1"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert wheels_override(BUILD, {}, tmp_path) == {}


@needs_docker
def test_the_version_is_the_one_that_compose_builds_with() -> None:
    arguments = Compose(ROOT).read().services["gte-service"].build_args
    assert arguments["TORCH_VERSION"].endswith("+cpu")
