"""Settings come from .env as Compose reads it, with the environment over it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import cli
from tools.launcher.settings import path_overrides, read_settings
from tools.launcher.tests.conftest import needs_docker

ENVIRON = {"PATH": os.environ["PATH"]}


def read(folder: Path, text: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    """The settings of a folder whose .env has this text, without the PATH that the reading needs."""
    (folder / ".env").write_text(text, encoding="utf-8")
    settings = read_settings(folder, {**ENVIRON, **(environ or {})})
    del settings["PATH"]
    return settings


@needs_docker
@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=value # why", "value"),
        ("export A='a # b'", "a # b"),
        ("A=${HOME}/models", "/home/models"),
        ("A='${HOME}'", "${HOME}"),
        ('A="two\nlines"', "two\nlines"),
        ("A=/数据/模型", "/数据/模型"),
    ],
)
def test_a_line_has_the_meaning_that_it_has_for_compose(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, line, {"HOME": "/home"})["A"] == value


@needs_docker
def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "A=1\nB=a/b\n", {"A": "2"}) == {"A": "2", "B": "a/b"}


@needs_docker
def test_an_empty_value_in_the_environment_unsets_the_one_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "A=/wheels\nB=\n", {"A": ""}) == {}


@needs_docker
def test_a_language_that_no_dashboard_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cli.UsageError, match="'fr'; give one of en, zh"):
        read(tmp_path, "DASHBOARD_LANGUAGE=fr\n")


@needs_docker
def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "数据").mkdir()
    assert read(tmp_path / "数据", "A=1\n") == {"A": "1"}


@needs_docker
def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path, ENVIRON) == ENVIRON


@needs_docker
def test_a_file_that_compose_cannot_read_is_refused_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(cli.UsageError, match=r"\.env: line [0-9]+: unterminated quoted value") as raised:
        read(tmp_path, 'A=1\nB="never closed\n')
    assert ".env.example" in str(raised.value)
    assert raised.value.status == cli.WRONG_USAGE


def test_without_docker_the_reason_is_given(tmp_path: Path) -> None:
    with pytest.raises(cli.ToolError, match="no `docker` program"):
        read_settings(tmp_path, {"PATH": str(tmp_path)})


def test_paths_become_absolute_from_the_project_folder(tmp_path: Path) -> None:
    settings = {"GTE_MODEL_DIR": "models/gte", "WHEELS_DIR": "~/wheels", "GRAFANA_ARCHIVE": "g.tar.gz", "GTE_PORT": "1"}
    assert path_overrides(tmp_path, settings) == {
        "GTE_MODEL_DIR": str((tmp_path / "models/gte").resolve()),
        "WHEELS_DIR": str((Path.home() / "wheels").resolve()),
        "GRAFANA_ARCHIVE": str((tmp_path / "g.tar.gz").resolve()),
    }
