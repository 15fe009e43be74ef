"""The choice of the model that the stack starts with; the demo model is never taken in silence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tools import ROOT, cli
from tools.launcher import model_choice
from tools.launcher.compose import Compose, Service, Stack
from tools.launcher.model_choice import DEMO_MODEL, Choice, check_folder, demo, probe_url

GTE = "iic/nlp_gte_sentence-embedding_chinese-large"
EMPTY_SAFETENSORS = (2).to_bytes(8, "little") + b"{}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("[PAD]", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(EMPTY_SAFETENSORS)
    tmp_path.chmod(0o755)
    return tmp_path


def choose(
    monkeypatch: pytest.MonkeyPatch,
    model: str = GTE,
    settings: dict[str, str] | None = None,
    prepared: bool = False,
    unreachable: str = "",
) -> tuple[Choice, list[str]]:
    """Choose where a copy is kept here or not and ModelScope answers or not; returns the questions asked too."""
    asked = []

    def is_prepared(compose: Compose) -> bool:
        asked.append("copies")
        return prepared

    def why_unreachable(compose: Compose, url: str) -> str:
        asked.append("network")
        return unreachable

    monkeypatch.setattr(model_choice, "is_prepared", is_prepared)
    monkeypatch.setattr(model_choice, "unreachable", why_unreachable)
    stack = Stack("p", {"gte-service": Service("gte-service", "gte:1", environment={"GTE_MODEL": model})})
    return model_choice.choose(Compose(ROOT), stack, settings or {}), asked


@pytest.mark.parametrize(
    ("given", "description", "questions"),
    [
        ({"settings": {"GTE_MODEL_DIR": "/models/gte"}}, "the local folder /models/gte", []),
        ({"model": "builtin:lexical"}, "builtin:lexical, as GTE_MODEL says", []),
        ({"prepared": True}, f"{GTE}, from the copy kept on this host", ["copies"]),
        ({}, f"{GTE}, downloaded from ModelScope now", ["copies", "network"]),
    ],
)
def test_the_settings_decide_then_the_copies_kept_here_then_the_network(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], description: str, questions: list[str]
) -> None:
    choice, asked = choose(monkeypatch, **given)
    assert description in choice.description
    assert (choice.settings, choice.fallback, asked) == ({}, "", questions)


def test_the_demo_model_takes_its_place_with_the_reason_where_modelscope_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice, _ = choose(monkeypatch, unreachable="no such host")
    assert (choice.settings, choice.fallback) == ({"GTE_MODEL": DEMO_MODEL}, "no such host")
    assert "demo model" in choice.description


def test_demo_sets_aside_whatever_the_settings_name() -> None:
    assert demo().settings == {"GTE_MODEL": DEMO_MODEL, "GTE_MODEL_DIR": ""}


@pytest.mark.parametrize(
    ("weights", "content"), [("model.safetensors", EMPTY_SAFETENSORS), ("pytorch_model.bin", b"\x80\x02")]
)
@pytest.mark.parametrize("tokenizer", ["vocab.txt", "tokenizer.json"])
def test_a_folder_with_either_kind_of_weights_and_of_tokenizer_is_whole(
    folder: Path, weights: str, content: bytes, tokenizer: str
) -> None:
    (folder / "model.safetensors").unlink()
    (folder / weights).write_bytes(content)
    (folder / "vocab.txt").rename(folder / tokenizer)
    check_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_file_that_is_missing_or_empty_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("", encoding="utf-8")
    with pytest.raises(cli.UsageError, match=rf"{name} is empty"):
        check_folder(folder)
    (folder / name).unlink()
    with pytest.raises(cli.UsageError, match=rf"lacks {name}"):
        check_folder(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cli.UsageError, match="absent does not exist"):
        check_folder(tmp_path / "absent")


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_what_the_container_could_not_read_is_refused_before_anything_is_built(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).chmod(0o600)
    if sys.platform == "linux":
        with pytest.raises(cli.UsageError, match=rf"chmod a\+r \S+{name}"):
            check_folder(folder)
    (folder / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (folder / name).chmod(0o644)
    with pytest.raises(cli.UsageError, match="git lfs pull"):
        check_folder(folder)
    outside = folder.parent / f"blob-{folder.name}"
    outside.write_bytes(content)
    (folder / name).unlink()
    (folder / name).symlink_to(outside)
    with pytest.raises(cli.UsageError, match=r"outside of the model's folder.*cp -rL"):
        check_folder(folder)


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
