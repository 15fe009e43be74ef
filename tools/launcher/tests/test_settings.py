"""Settings come from .env as Compose reads it, with the environment over it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tools import cli
from tools.launcher.settings import link_overrides, path_overrides, read_settings, read_values
from tools.launcher.tests.conftest import needs_docker

ENVIRON = {"PATH": os.environ["PATH"]}


NAMES = ("A", "B", "DASHBOARD_LANGUAGE")


def read(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> dict[str, str]:
    """The settings of a folder whose .env has this text, without the PATH that the reading needs."""
    (folder / ".env").write_bytes(text.encode() if isinstance(text, str) else text)
    settings = read_settings(folder, {**ENVIRON, **(environ or {})}, NAMES)
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
        ("A=${UNSET:-default}", "default"),
        ("A: value", "value"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}A=value", "value"),
        ("# \N{NO-BREAK SPACE}\r\nA=value\r\n", "value"),
        ("A=first\nA=last", "last"),
        ("A=$$5", "$5"),
        ("A='$5 # ${B}'", "$5 # ${B}"),
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
def test_a_comment_in_another_encoding_is_no_part_of_a_value(tmp_path: Path) -> None:
    assert read(tmp_path, "# 端口\nA=1\n".encode("gbk")) == {"A": "1"}


@needs_docker
@pytest.mark.parametrize(
    ("line", "environ"),
    [("A=${B:-b}", {}), ("A: a # c", {}), ('A="x\ny"', {}), ("A=$B", {"B": "b"}), ("A='", {}), ("A=1", {"A": ""})],
)
def test_a_setting_is_what_compose_makes_of_it_in_a_compose_file(
    tmp_path: Path, line: str, environ: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text(line, encoding="utf-8")
    project = {"name": "p", "services": {"s": {"image": "none", "labels": {"a": "${A-}"}}}}
    (tmp_path / "compose.yaml").write_text(json.dumps(project), encoding="utf-8")
    command = ["docker", "compose", "config", "--format", "json"]
    shown = subprocess.run(
        command, cwd=tmp_path, env=ENVIRON | environ, capture_output=True, encoding="utf-8", check=False
    )
    if shown.returncode:
        with pytest.raises(cli.UsageError):
            read_values(tmp_path, ENVIRON | environ, NAMES)
        return
    in_file = json.loads(shown.stdout)["services"]["s"]["labels"]["a"].replace("$$", "$")
    assert read_values(tmp_path, ENVIRON | environ, NAMES)["A"] == in_file


@needs_docker
def test_the_project_has_no_name_of_its_own_unless_one_is_set(tmp_path: Path) -> None:
    names = {"COMPOSE_PROJECT_NAME"}
    assert read_values(tmp_path, ENVIRON, names) == {"COMPOSE_PROJECT_NAME": ""}
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=mine\n", encoding="utf-8")
    assert read_values(tmp_path, ENVIRON, names) == {"COMPOSE_PROJECT_NAME": "mine"}


@needs_docker
def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path, ENVIRON, NAMES) == ENVIRON


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


@pytest.mark.parametrize(
    ("address", "host"), [("192.0.2.7", "192.0.2.7"), ("::1", "[::1]"), ("127.0.0.1", ""), ("0.0.0.0", ""), ("::", "")]
)
def test_links_name_the_only_address_that_the_stack_listens_on(address: str, host: str) -> None:
    assert link_overrides({"BIND_ADDRESS": address}) == ({"PUBLIC_HOST": host} if host else {})
    assert link_overrides({"BIND_ADDRESS": address, "PUBLIC_HOST": "gte.example"}) == {}
