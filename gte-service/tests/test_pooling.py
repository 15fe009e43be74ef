"""The model's own configuration says how its vectors are pooled; what isn't supported is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gte_service.engine.pooling import read_pooling
from gte_service.errors import ModelFilesError

SWITCHES = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def folder_with(folder: Path, pooling: object = None, modules: object = None) -> Path:
    (folder / "1_Pooling").mkdir()
    if pooling is not None:
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    if modules is not None:
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def switches(*on: str) -> dict[str, object]:
    return {"word_embedding_dimension": 384, **{f"pooling_mode_{name}": name in on for name in SWITCHES}}


def test_a_model_that_says_nothing_is_pooled_as_gte_is(tmp_path: Path) -> None:
    assert read_pooling(tmp_path) == "cls"


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        (switches("cls_token"), "cls"),
        (switches("mean_tokens"), "mean"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": ["cls"]}, "cls"),
        # As sentence-transformers reads a configuration that switches nothing on.
        (switches(), "mean"),
    ],
)
def test_the_configured_pooling_is_used(tmp_path: Path, config: object, pooling: str) -> None:
    assert read_pooling(folder_with(tmp_path, config)) == pooling


@pytest.mark.parametrize(
    "config", [switches("max_tokens"), switches("cls_token", "mean_tokens"), {"pooling_mode": "lasttoken"}]
)
def test_another_pooling_is_refused(tmp_path: Path, config: object) -> None:
    with pytest.raises(ModelFilesError, match=r"1_Pooling/config\.json requires .*this engine supports cls and mean"):
        read_pooling(folder_with(tmp_path, config))


def test_a_layer_after_the_pooling_is_refused(tmp_path: Path) -> None:
    modules = [{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Dense")]
    with pytest.raises(ModelFilesError, match=r"modules\.json requires Dense"):
        read_pooling(folder_with(tmp_path, switches("mean_tokens"), modules))


@pytest.mark.parametrize(("name", "text"), [("modules.json", "{}"), ("1_Pooling/config.json", "[")])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, text: str) -> None:
    (folder_with(tmp_path) / name).write_text(text)
    with pytest.raises(ModelFilesError, match=name):
        read_pooling(tmp_path)
