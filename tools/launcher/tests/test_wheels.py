"""Where PyTorch's wheel is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.launcher.compose import Service
from tools.launcher.wheels import find_links_folders, has_torch, parse_pip_configuration, wheels_override

BUILD = [Service("gte-service", "gte:1", built=True, build_contexts={"wheels": "offline/wheels"})]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    return folder


def test_paths_and_file_addresses_are_folders_and_others_are_not() -> None:
    links = "/wheels\nfile:///more%20wheels https://mirror.example/wheels\n~/own"
    assert find_links_folders(links) == [Path("/wheels"), Path("/more wheels"), Path.home() / "own"]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("global.cert='/ca.crt'\nglobal.find-links='/a'\n", "/a"),
        ("global.find-links='/a'\ninstall.find-links='/b'\n", "/b"),
        (":env:.find-links='/c'\nglobal.find-links='/a'\ninstall.find-links='/b'\n", "/c"),
        ("global.find-links='/a\\n/b'\n", "/a\n/b"),
        ('global.find-links="/it\'s"\n', "/it's"),
        ("download.find-links='/a'\n", ""),
        ("", ""),
    ],
)
def test_pips_configuration_is_read_in_its_own_order(listed: str, found: str) -> None:
    assert parse_pip_configuration(listed) == found


def test_no_find_links_are_no_folders() -> None:
    assert find_links_folders("") == []


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


def test_pips_configuration_is_asked_where_there_is_no_variable(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nfind-links = {wheels}\n", encoding="utf-8")
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
