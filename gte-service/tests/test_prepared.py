"""A published checkpoint becomes one file that all workers map, or an error that says what is wrong with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import PAUSING, wait_for
from gte_service.engine.encoder import Encoder
from gte_service.engine.store.prepared import Prepared, prepare, read_prepared
from gte_service.errors import ModelFilesError, StorageError


@pytest.fixture
def source(lexical_source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lexical_source, tmp_path / "source"))


def weights_of(source: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(source / "pytorch_model.bin", weights_only=True)
    return loaded


def test_half_precision_becomes_32_bit_and_keeps_its_values(source: Path, lexical: Prepared) -> None:
    published = weights_of(source)
    prepared = load_file(lexical.folder / "model.safetensors")
    assert {weight.dtype for weight in published.values()} == {torch.float16}
    assert {weight.dtype for weight in prepared.values()} == {torch.float32}
    assert all(torch.equal(published[f"bert.{name}"].float(), weight) for name, weight in prepared.items())


def test_the_revision_is_the_hash_of_the_published_weights(source: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((source / "pytorch_model.bin").read_bytes()).hexdigest()
    assert prepare(source, "x", tmp_path / "home").revision == digest[:12]


def test_a_second_preparation_finds_the_first(source: Path, tmp_path: Path) -> None:
    first = prepare(source, "x", tmp_path / "home")
    written = (first.folder / "model.safetensors").stat().st_ino
    assert prepare(source, "x", tmp_path / "home") == first
    assert (first.folder / "model.safetensors").stat().st_ino == written


def test_a_prepared_folder_is_used_where_it_is(lexical: Prepared, tmp_path: Path) -> None:
    assert prepare(lexical.folder, "x", tmp_path / "home").folder == lexical.folder
    assert not (tmp_path / "home").exists()


def test_a_new_vocabulary_with_the_same_weights_is_taken(source: Path, tmp_path: Path) -> None:
    first = prepare(source, "x", tmp_path / "home")
    vocab = source / "vocab.txt"
    vocab.write_text(vocab.read_text(encoding="utf-8").replace("[unused1]", "[other]"), encoding="utf-8")
    second = prepare(source, "x", tmp_path / "home")
    assert second.folder == first.folder
    assert "[other]" in (second.folder / "vocab.txt").read_text(encoding="utf-8")


def test_names_of_other_checkpoints_are_understood(source: Path, tmp_path: Path) -> None:
    plain = {name.removeprefix("bert."): weight for name, weight in weights_of(source).items()}
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
           for name, weight in plain.items()}  # fmt: skip
    (source / "pytorch_model.bin").unlink()
    save_file(old | {"pooler.dense.bias": torch.zeros(3)}, source / "model.safetensors")
    vectors = Encoder(prepare(source, "x", tmp_path / "home").folder).encode(["天气"]).vectors
    assert abs(float(vectors.norm()) - 1) < 1e-5


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "pytorch_model.bin"])
def test_a_missing_file_is_named(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).unlink()
    with pytest.raises(ModelFilesError, match=name):
        prepare(source, "x", tmp_path / "home")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match=r"nowhere does not exist: check GTE_MODEL_DIR"):
        prepare(tmp_path / "nowhere", "x", tmp_path / "home")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_weights_that_are_cut_off_are_refused_and_leave_nothing(source: Path, tmp_path: Path, keep: float) -> None:
    weights = source / "pytorch_model.bin"
    os.truncate(weights, int(weights.stat().st_size * keep))
    with pytest.raises(ModelFilesError):
        prepare(source, "x", tmp_path / "home")
    assert not list((tmp_path / "home").glob("[!.]*"))


def test_weights_with_nan_are_refused(source: Path, tmp_path: Path) -> None:
    weights = weights_of(source)
    weights["bert.embeddings.LayerNorm.bias"][3] = torch.nan
    torch.save(weights, source / "pytorch_model.bin")
    with pytest.raises(ModelFilesError, match=r"embeddings\.LayerNorm\.bias contains NaN"):
        prepare(source, "x", tmp_path / "home")


def test_a_missing_weight_is_named(source: Path, tmp_path: Path) -> None:
    weights = weights_of(source)
    del weights["bert.encoder.layer.0.output.dense.bias"]
    torch.save(weights, source / "pytorch_model.bin")
    with pytest.raises(ModelFilesError, match=r"encoder\.layer\.0\.output\.dense\.bias is missing"):
        prepare(source, "x", tmp_path / "home")


def test_a_pickle_that_runs_code_is_refused(source: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"x": Evil()}, source / "pytorch_model.bin")
    with pytest.raises(ModelFilesError):
        prepare(source, "x", tmp_path / "home")
    assert not (tmp_path / "ran").exists()


def test_leftovers_of_an_interrupted_preparation_are_removed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / "unfinished-abc").mkdir(parents=True)
    prepared = prepare(source, "x", tmp_path / "home")
    assert [entry.name for entry in (tmp_path / "home").glob("[!.]*")] == [prepared.revision]


PAUSING_PREPARATION = f"""{PAUSING}
from pathlib import Path
prepared.prepare(Path(sys.argv[1]), "x", Path(sys.argv[2]))
"""


def test_two_processes_that_prepare_at_once_do_not_disturb_each_other(source: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    home = tmp_path / "home"
    command = [sys.executable, "-c", PAUSING_PREPARATION, str(source), str(home)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        mine = pool.submit(prepare, source, "x", home, steps.append)
        wait_for(lambda: any("another process" in step for step in steps), "this process waits")
        assert list(home.glob("unfinished-*")), "the other process's work is still there"
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.wait(timeout=60) == 0
        prepared = mine.result(timeout=60)
    assert read_prepared(home / prepared.revision) == prepared
    assert [entry.name for entry in home.glob("[!.]*")] == [prepared.revision]


def test_a_prepared_folder_with_half_its_weights_does_not_count(lexical: Prepared, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(lexical.folder, tmp_path / "copy"))
    assert read_prepared(copy) is not None
    os.truncate(copy / "model.safetensors", 1000)
    assert read_prepared(copy) is None


def test_a_full_disk_is_reported_in_one_line(source: Path, small_disk: Path) -> None:
    with pytest.raises(StorageError, match=r"MiB free.*need"):
        prepare(source, "x", small_disk / "home")


def test_an_unwritable_folder_is_reported(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't be written"):
        prepare(source, "x", tmp_path / "file" / "home")
