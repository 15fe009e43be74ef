"""Whatever a model folder declares is obeyed or refused by name; each file that can't be used has words of its own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from published_models import PUBLISHED, TEXTS, Published
from safetensors.torch import load_file, save_file

from conftest import Service
from gte_service.engine import Encoder
from gte_service.engine.store.prepared import prepare
from gte_service.errors import ModelFilesError
from gte_service.model_folder import ModelFolder

SERVICE_UID = 10001
Change = Callable[[Path], None]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A model that other users may read: pytest's own folders are closed to them."""
    home = Path(tempfile.mkdtemp(prefix="gte-published-"))
    home.chmod(0o755)
    folder = PUBLISHED["bge"].write(home / "model")
    # safetensors writes files that only their owner may read.
    (folder / "model.safetensors").chmod(0o644)
    yield folder
    shutil.rmtree(home)


@pytest.fixture
def text2vec(tmp_path: Path) -> Path:
    """A model with vocab.txt and a checkpoint of PyTorch."""
    return PUBLISHED["text2vec"].write(tmp_path / "text2vec")


def change(path: Path, **values: object) -> None:
    """Set keys of a JSON file, which is made if it isn't there; None of `...` removes one."""
    content = json.loads(path.read_text()) if path.exists() else {}
    content |= values
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def vectors(folder: Path, home: Path) -> torch.Tensor:
    with Encoder(prepare(folder, "x", home).folder) as encoder:
        found: torch.Tensor = encoder.encode(TEXTS).vectors
        return found


def refused(folder: Path, tmp_path: Path) -> str:
    """The message of the error; nothing is left of the attempt."""
    home = tmp_path / "home"
    with pytest.raises(ModelFilesError) as error:
        prepare(folder, "x", home)
    assert not list(home.glob("[!.]*"))
    return str(error.value)


@contextmanager
def as_service() -> Iterator[None]:
    """Run as the service's user, for whom file modes count."""
    if os.geteuid():
        yield
        return
    os.seteuid(SERVICE_UID)
    try:
        yield
    finally:
        os.seteuid(0)


# ---- What is declared ----


@pytest.mark.parametrize(
    "key", ["vocab_size", "type_vocab_size", "max_position_embeddings", "intermediate_size", "hidden_size",
            "num_hidden_layers", "layer_norm_eps", "model_type"]
)  # fmt: skip
def test_what_config_json_leaves_out_is_taken_from_the_weights(folder: Path, tmp_path: Path, key: str) -> None:
    wanted = vectors(folder, tmp_path / "whole")
    change(folder / "config.json", **{key: ...})
    assert torch.equal(vectors(folder, tmp_path / "without"), wanted)


def test_a_byte_order_mark_changes_nothing(folder: Path, tmp_path: Path) -> None:
    wanted = vectors(folder, tmp_path / "without")
    for path in folder.rglob("*.json"):
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert torch.equal(vectors(folder, tmp_path / "with"), wanted)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("config.json", {"hidden_act": "relu"}, "hidden_act='relu' is not supported"),
        ("config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ("config.json", {"model_type": "roberta"}, "model_type='roberta'"),
        ("config.json", {"is_decoder": True}, "is_decoder=True"),
        ("config.json", {"auto_map": {"AutoModel": "x--modeling.Model"}}, "auto_map="),
        ("config.json", {"quantization_config": {"bits": 8}}, "quantization_config="),
        ("config.json", {"num_attention_heads": 5}, "num_attention_heads=5"),
        ("config.json", {"num_attention_heads": "four"}, "num_attention_heads='four' is no size"),
        ("config.json", {"num_hidden_layers": 1}, "num_hidden_layers=1, but the weights have 2"),
        ("config.json", {"num_hidden_layers": 3}, "num_hidden_layers=3, but the weights have 2"),
        ("config.json", {"vocab_size": 1000}, "vocab_size=1000, but the weights have"),
        ("config.json", {"max_position_embeddings": 32}, "max_position_embeddings=32, but the weights have 64"),
        ("config.json", {"type_vocab_size": 1}, "type_vocab_size=1, but the weights have 2"),
        ("config.json", {"intermediate_size": 64}, "intermediate_size=64, but the weights have 48"),
        ("tokenizer_config.json", {"do_basic_tokenize": False}, "do_basic_tokenize=False"),
        ("tokenizer_config.json", {"never_split": ["a"]}, "never_split=['a']"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["x", None]}}, "auto_map="),
        ("tokenizer_config.json", {"strip_accents": "no"}, "strip_accents='no'"),
        ("tokenizer_config.json", {"model_max_length": 2}, "model_max_length=2"),
        ("tokenizer_config.json", {"truncation_side": "middle"}, "truncation_side='middle'"),
        ("sentence_bert_config.json", {"max_seq_length": "long"}, "max_seq_length='long'"),
        ("sentence_bert_config.json", {"query_expansion": {"tokens": 32}}, "query_expansion="),
        ("1_Pooling/config.json", {"word_embedding_dimension": 1024}, "word_embedding_dimension is 1024"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True}, "pooling cls_token, mean_tokens"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "pooling lasttoken"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
            "default_prompt_name='query'",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_obeyed_is_refused_by_name(
    folder: Path, tmp_path: Path, name: str, values: dict[str, Any], message: str
) -> None:
    change(folder / name, **values)
    said = refused(folder, tmp_path)
    assert str(folder / name) in said
    assert message in said


def test_vectors_of_any_length_are_refused_where_they_are_compared_by_it(text2vec: Path, tmp_path: Path) -> None:
    change(text2vec / "config_sentence_transformers.json", similarity_fn_name="dot")
    assert "similarity_fn_name='dot'" in refused(text2vec, tmp_path)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (("Transformer", "Pooling", "Dense"), "requires Dense"),
        (("Transformer", "Normalize"), "one Transformer and one Pooling"),
        (("Transformer", "Pooling", "Pooling"), "one Transformer and one Pooling"),
        (("Pooling", "Transformer"), "one Transformer and one Pooling"),
    ],
)
def test_other_steps_than_this_engine_runs_are_refused(
    folder: Path, tmp_path: Path, kinds: tuple[str, ...], message: str
) -> None:
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": paths.get(kind, kind)} for kind in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    assert message in refused(folder, tmp_path)


def test_pooling_that_modules_json_names_and_is_missing_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")
    said = refused(folder, tmp_path)
    assert "modules.json names 1_Pooling/config.json, which is missing" in said


def test_a_step_outside_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    modules = [{"type": "x.Transformer", "path": "../other"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    assert "../other, which is outside" in refused(folder, tmp_path)


@pytest.mark.parametrize("lines", [60, 140])
def test_a_vocabulary_that_is_cut_off_is_refused(text2vec: Path, tmp_path: Path, lines: int) -> None:
    tokens = (text2vec / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (text2vec / "vocab.txt").write_text("\n".join(tokens[:lines]) + "\n", encoding="utf-8")
    assert f"has {lines} tokens, but the model has vectors for {len(tokens)}" in refused(text2vec, tmp_path)


def test_two_vocabularies_that_differ_are_refused(folder: Path, tmp_path: Path) -> None:
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join(tokens[:60]) + "\n", encoding="utf-8")
    assert f"vocab.txt has {len(tokens) - 60} tokens fewer than tokenizer.json" in refused(folder, tmp_path)
    tokens[10], tokens[11] = tokens[11], tokens[10]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    assert "at another place than tokenizer.json" in refused(folder, tmp_path)


def test_a_vocabulary_filled_up_to_a_round_number_of_vectors_is_no_contradiction(tmp_path: Path) -> None:
    folder = PUBLISHED["text2vec"].write(tmp_path / "model")
    wanted = vectors(folder, tmp_path / "exact")
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    words = weights["embeddings.word_embeddings.weight"]
    rows = -(-len(words) // 64) * 64
    assert rows > len(words) + 8
    weights["embeddings.word_embeddings.weight"] = torch.cat([words, torch.zeros(rows - len(words), 32)])
    torch.save(weights, folder / "pytorch_model.bin")
    change(folder / "config.json", vocab_size=rows)
    assert torch.equal(vectors(folder, tmp_path / "filled"), wanted)


def test_a_text_may_be_cut_at_its_beginning(text2vec: Path, tmp_path: Path) -> None:
    change(text2vec / "tokenizer_config.json", truncation_side="left")
    with Encoder(prepare(text2vec, "x", tmp_path).folder) as encoder:
        (tokens,) = encoder.encode(["今天" * 40 + "股票"], token_vectors=True).token_vectors
    assert (tokens.offsets[0][0], tokens.end) == (82 - 22, 82)


def test_tokens_added_to_a_vocabulary_have_their_own_vectors(tmp_path: Path) -> None:
    folder = PUBLISHED["text2vec"].write(tmp_path / "model")
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join(tokens[:-2]) + "\n", encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps({"奥运": len(tokens) - 2, "冬奥": len(tokens) - 1}))
    with Encoder(prepare(folder, "x", tmp_path / "home").folder) as encoder:
        assert encoder.encode(["奥运"]).tokens == 3
    (folder / "added_tokens.json").write_text(json.dumps({"奥运": len(tokens)}))
    assert "the added token '奥运' has the number" in refused(folder, tmp_path / "wrong")


# ---- What can't be opened, or isn't what it claims ----

EVERY_FILE = ["config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "sentence_bert_config.json",
              "1_Pooling/config.json", "model.safetensors", "vocab.txt"]  # fmt: skip


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>Please log in</html>", "is a web page"),
        (b"", "is empty: its copy or download was interrupted"),
    ],
)
def test_a_file_that_is_not_the_file_is_told_from_a_damaged_one(
    folder: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    said = refused(folder, tmp_path)
    assert f"{folder / name} " in said
    assert message in said
    with pytest.raises(ModelFilesError, match=message):
        ModelFolder(folder, mounted_for=SERVICE_UID).check()


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_file_that_the_service_may_not_read_is_named_with_the_command(folder: Path, name: str) -> None:
    (folder / name).chmod(0o600)
    with as_service(), tempfile.TemporaryDirectory() as home, pytest.raises(ModelFilesError) as error:
        prepare(folder, "x", Path(home))
    assert f"{folder / name} can't be read by uid" in str(error.value)
    assert f"chmod a+r {folder / name}" in str(error.value)


@pytest.mark.parametrize("inner", ["", "1_Pooling"])
@pytest.mark.parametrize("mode", [0o700, 0o744])
def test_a_folder_that_the_service_may_not_enter_is_named_with_the_command(folder: Path, inner: str, mode: int) -> None:
    (folder / inner).chmod(mode)
    with as_service(), tempfile.TemporaryDirectory() as home, pytest.raises(ModelFilesError) as error:
        prepare(folder, "x", Path(home))
    assert f"chmod a+rx {folder / inner}" in str(error.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read what others may not")
@pytest.mark.parametrize(("name", "mode"), [(name, 0o600) for name in EVERY_FILE] + [("", 0o700), ("1_Pooling", 0o700)])
def test_the_host_sees_what_the_containers_user_may_not_read(folder: Path, name: str, mode: int) -> None:
    ModelFolder(folder, mounted_for=SERVICE_UID).check()
    (folder / name).chmod(mode)
    ModelFolder(folder).check()
    with pytest.raises(ModelFilesError, match=rf"can't be read by uid {SERVICE_UID}.*chmod a\+r"):
        ModelFolder(folder, mounted_for=SERVICE_UID).check()
    os.chown(folder / name, SERVICE_UID, SERVICE_UID)
    ModelFolder(folder, mounted_for=SERVICE_UID).check()


def linked(folder: Path, blobs: Path, name: str) -> None:
    """Put a file elsewhere, with a link in its place, as a snapshot of Hugging Face has it."""
    blobs.mkdir(exist_ok=True)
    (folder / name).rename(blobs / "0123")
    (folder / name).symlink_to(os.path.relpath(blobs / "0123", (folder / name).parent))


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_link_out_of_the_folder_is_refused_where_it_leads_nowhere(folder: Path, tmp_path: Path, name: str) -> None:
    linked(folder, folder.parent / "blobs", name)
    # Here the link can be followed; a container has only the folder.
    ModelFolder(folder).check()
    with pytest.raises(ModelFilesError, match=r"outside of the model's folder.*cp -rL") as error:
        ModelFolder(folder, mounted_for=SERVICE_UID).check()
    assert str(folder / name) in str(error.value)
    shutil.rmtree(folder.parent / "blobs")
    assert "outside of the model's folder" in refused(folder, tmp_path)


def test_a_link_inside_of_the_folder_is_followed(folder: Path, tmp_path: Path) -> None:
    linked(folder, folder / "blobs", "model.safetensors")
    ModelFolder(folder, mounted_for=SERVICE_UID).check()
    vectors(folder, tmp_path)
    (folder / "blobs" / "0123").unlink()
    assert "which does not exist" in refused(folder, tmp_path / "again")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("model.safetensors")
    assert "leads to itself" in refused(folder, tmp_path / "once more")


@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_half_a_download_is_told_by_its_length(folder: Path, text2vec: Path, tmp_path: Path, keep: float) -> None:
    cases = {folder / "model.safetensors": "bytes: its copy", text2vec / "pytorch_model.bin": "ends too early"}
    for path, message in cases.items():
        os.truncate(path, int(path.stat().st_size * keep))
        said = refused(path.parent, tmp_path)
        assert str(path) in said
        assert message in said
        assert "interrupted" in said


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"model_type": "bert", ', "is not JSON"),
        ("config.json", b"[]", "holds no JSON object"),
        ("modules.json", b"{}", "holds no JSON array"),
        ("modules.json", b"[1]", "names no type"),
        ("config.json", '{"model_type": "bert"}'.encode("utf-16"), "is not UTF-8"),
        ("tokenizer.json", b"{}", "describes no tokenizer"),
        ("model.safetensors", b"\0" * 100, "is not a safetensors file"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    said = refused(folder, tmp_path)
    assert str(folder / name) in said
    assert message in said


def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    assert "is no regular file" in refused(folder, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors.incomplete", "a download that was not finished"),
        ("model.onnx", "a format that this service doesn't read"),
        ("tf_model.h5", "a format that this service doesn't read"),
    ],
)
def test_what_is_there_in_place_of_the_weights_is_named(folder: Path, tmp_path: Path, name: str, message: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    said = refused(folder, tmp_path)
    assert f"lacks model.safetensors or pytorch_model.bin (but {name}: " in said.replace(", a", ": a")
    assert message in said


def test_of_two_formats_the_one_that_can_be_used_is(folder: Path, tmp_path: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    vectors(folder, tmp_path)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*-of-*.safetensors"))


def test_a_missing_part_of_the_weights_is_named(tmp_path: Path) -> None:
    folder = PUBLISHED["m3e"].write(tmp_path / "model")
    assert len(shards(folder)) > 2
    shards(folder)[1].unlink()
    assert f"lacks {shards(PUBLISHED['m3e'].write(tmp_path / 'whole'))[1].name}" in refused(folder, tmp_path)


def test_the_revision_changes_with_any_part_of_the_weights(tmp_path: Path) -> None:
    folder = PUBLISHED["m3e"].write(tmp_path / "model")
    before = prepare(folder, "x", tmp_path / "home").revision
    weights = load_file(shards(folder)[-1])
    save_file({name: weight * 1.5 for name, weight in weights.items()}, shards(folder)[-1], {"format": "pt"})
    assert prepare(folder, "x", tmp_path / "home").revision != before


def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = Published("cls", 64, shard_size="20KB").write(tmp_path / "model")
    change(folder / "model.safetensors.index.json", weight_map={"a": "../../etc/passwd"})
    assert "names no files beside it" in refused(folder, tmp_path)


def test_the_service_says_it_before_it_says_ready(new_service: Callable[..., Service], folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    service = new_service(GTE_MODEL_DIR=str(folder), GTE_WORKERS="1")
    assert "git lfs pull" in service.wait_until("failed")["detail"]
    assert service.ask("/readyz").status == 503
    (folder / "model.safetensors").write_bytes(weights)
    service.wait_until("ready")
    assert len(service.predict("embedding", "今天").json["result"]) == 32
