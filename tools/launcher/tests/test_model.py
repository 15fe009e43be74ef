"""Which model the stack starts with, and that the demo model is never taken in silence."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from tools.launcher.compose import Service
from tools.launcher.errors import ModelError
from tools.launcher.model import DEMO_MODEL, check_folder, choose, demo, probe_url

GTE = "iic/nlp_gte_sentence-embedding_chinese-large"


def must_not_be_asked() -> NoReturn:
    pytest.fail("asked though the settings have decided")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "vocab.txt", "pytorch_model.bin"):
        (tmp_path / name).write_text("content", encoding="utf-8")
    return tmp_path


def test_a_local_folder_goes_first_and_no_network_is_asked(folder: Path) -> None:
    choice = choose(GTE, folder, must_not_be_asked, must_not_be_asked)
    assert str(folder) in choice.said
    assert choice.settings == {}
    assert choice.fallback == ""


def test_a_built_in_model_is_taken_as_the_settings_say() -> None:
    choice = choose("builtin:lexical", None, must_not_be_asked, must_not_be_asked)
    assert "as GTE_MODEL says" in choice.said
    assert choice.settings == {}


def test_a_copy_that_is_kept_here_is_used_without_the_network() -> None:
    choice = choose(GTE, None, lambda: True, must_not_be_asked)
    assert "nothing is downloaded" in choice.said
    assert choice.settings == {}


def test_gte_is_downloaded_where_modelscope_answers() -> None:
    choice = choose(GTE, None, lambda: False, lambda: "")
    assert GTE in choice.said
    assert choice.settings == {}
    assert choice.fallback == ""


def test_the_demo_model_takes_its_place_with_the_reason_where_it_does_not() -> None:
    choice = choose(GTE, None, lambda: False, lambda: "no such host")
    assert choice.settings == {"GTE_MODEL": DEMO_MODEL}
    assert choice.fallback == "no such host"
    assert "demo model" in choice.said


def test_demo_sets_aside_whatever_the_settings_name() -> None:
    assert demo().settings == {"GTE_MODEL": DEMO_MODEL, "GTE_MODEL_DIR": ""}


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_with_either_kind_of_weights_is_whole(folder: Path, weights: str) -> None:
    (folder / "pytorch_model.bin").rename(folder / weights)
    check_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "pytorch_model.bin"])
def test_what_a_folder_lacks_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        check_folder(folder)


def test_an_empty_file_is_as_good_as_none(folder: Path) -> None:
    (folder / "vocab.txt").write_text("", encoding="utf-8")
    with pytest.raises(ModelError, match=r"vocab\.txt is missing or empty"):
        check_folder(folder)


def test_a_folder_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="which is no folder"):
        choose(GTE, tmp_path / "absent", must_not_be_asked, must_not_be_asked)


@pytest.mark.parametrize(
    ("environment", "site"),
    [
        ({}, "https://www.modelscope.cn"),
        ({"MODELSCOPE_DOMAIN": ""}, "https://www.modelscope.cn"),
        ({"MODELSCOPE_DOMAIN": "mirror.example"}, "https://mirror.example"),
        ({"MODELSCOPE_ENDPOINT": "http://mirror.example:8080/"}, "http://mirror.example:8080"),
    ],
)
def test_the_address_that_the_service_would_use_is_asked(environment: dict[str, str], site: str) -> None:
    service = Service("gte-service", "gte:1", environment=environment)
    assert probe_url(service, "a/b") == f"{site}/api/v1/models/a/b/repo/files"
