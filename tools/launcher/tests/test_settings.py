"""The launcher reads .env as Compose does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.launcher.errors import SettingsError
from tools.launcher.settings import folder_overrides, parse_env_file, read_settings

LINES = {
    "PLAIN=value": "value",
    "SPACED = value  ": "value",
    "export EXPORTED=value": "value",
    "COMMENTED=value # why": "value",
    "HASH=a#b": "a#b",
    "SINGLE='a # b'": "a # b",
    'DOUBLE="a # b" # why': "a # b",
    "EMPTY=": "",
    "BEGINS_WITH_HASH= # no comment": "# no comment",
    "EQUALS=http://mirror.example/debian?a=b": "http://mirror.example/debian?a=b",
    "FROM_ABOVE=${PLAIN}/models": "value/models",
    "UNBRACED=$PLAIN": "value",
    'DOUBLE_FROM_ABOVE="${PLAIN} # b"': "value # b",
    "SINGLE_FROM_ABOVE='${PLAIN}'": "${PLAIN}",
    "FROM_ENVIRONMENT=${LAUNCHER_TEST_HOME}/models": "/home/models",
    "CHINESE=/数据/模型": "/数据/模型",
}


ENVIRON = {"LAUNCHER_TEST_HOME": "/home"}


@pytest.mark.parametrize(("line", "value"), LINES.items())
def test_a_line_is_read(line: str, value: str) -> None:
    values = parse_env_file(f"PLAIN=value\n{line}", ENVIRON)
    assert list(values.values())[-1] == value


def test_comments_and_other_lines_are_no_settings() -> None:
    assert parse_env_file("# GTE_PORT=1\n\n  #GTE_PORT=2\nno assignment\n", {}) == {}


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker program on this host")
def test_compose_reads_the_same_values(tmp_path: Path) -> None:
    text = "\n".join(LINES)
    ours = parse_env_file(text, ENVIRON)
    used = "\n".join(f"      {name}: ${{{name}}}" for name in ours)
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(
        f"services:\n  one:\n    image: one\n    labels:\n{used}\n", encoding="utf-8"
    )
    form = ["docker", "compose", "config", "--format", "json"]
    shown = subprocess.run(
        form, cwd=tmp_path, env={**os.environ, **ENVIRON}, capture_output=True, text=True, check=True
    )
    # `config` doubles each dollar, so that what it prints could be read again.
    labels = json.loads(shown.stdout)["services"]["one"]["labels"]
    assert {name: value.replace("$$", "$") for name, value in labels.items()} == ours


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GTE_PORT=1\nGTE_MODEL=a/b\n", encoding="utf-8")
    assert read_settings(tmp_path, {"GTE_PORT": "2"}) == {"GTE_PORT": "2", "GTE_MODEL": "a/b"}


def test_an_empty_value_in_the_environment_unsets_the_one_of_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WHEELS_DIR=/wheels\n", encoding="utf-8")
    assert read_settings(tmp_path, {"WHEELS_DIR": ""}) == {}


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}) == {}


def test_a_file_that_is_no_text_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfeG\x00")
    with pytest.raises(SettingsError, match=r"\.env can't be read"):
        read_settings(tmp_path, {})


def test_folders_become_absolute_from_the_project_folder(tmp_path: Path) -> None:
    settings = {"GTE_MODEL_DIR": "models/gte", "WHEELS_DIR": "~/wheels", "GTE_PORT": "1"}
    assert folder_overrides(tmp_path, settings) == {
        "GTE_MODEL_DIR": str((tmp_path / "models/gte").resolve()),
        "WHEELS_DIR": str((Path.home() / "wheels").resolve()),
    }
