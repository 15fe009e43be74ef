"""Prepared models that newer ones have replaced go, and what can't be made again stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from conftest import Service, wait_for
from gte_service.engine.store.obtain import ModelSource
from gte_service.engine.store.prepared import NOTE_FILE, Prepared, prepare, read_prepared
from gte_service.engine.store.superseded import remove_superseded


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    return ModelSource("owner/name", "master", None, built_in=False, home=tmp_path, precision="fp32")


def served(lexical: Prepared, source: ModelSource, revision: str, days_ago: float, precision: str = "fp32") -> Prepared:
    """A prepared model that was served last so many days ago."""
    name = revision if precision == "fp32" else f"{revision}-{precision}"
    folder = Path(shutil.copytree(lexical.folder, source.prepared_home / name))
    note = json.loads((folder / NOTE_FILE).read_text())
    (folder / NOTE_FILE).write_text(json.dumps(note | {"revision": revision, "precision": precision}))
    then = (folder / NOTE_FILE).stat().st_mtime - 86_400 * days_ago
    os.utime(folder / NOTE_FILE, (then, then))
    prepared = read_prepared(folder)
    assert prepared is not None
    return prepared


def left(source: ModelSource) -> set[str]:
    return {folder.name for folder in source.prepared_home.glob("[!.]*")}


def test_the_model_of_before_stays_and_older_ones_go(lexical: Prepared, source: ModelSource) -> None:
    for revision, days_ago in (("oldest", 9), ("older", 7), ("before", 5)):
        served(lexical, source, revision, days_ago)
    served(lexical, source, "older", 8, "int8")
    now = served(lexical, source, "now", 6, "int8")
    served(lexical, source, "now", 10)
    assert set(remove_superseded(source, now)) == {"oldest", "older"}
    assert left(source) == {"before", "now", "now-int8"}
    # Back to the model of before: the one that was served a moment ago is now the way back.
    before = read_prepared(source.prepared_home / "before")
    assert before is not None
    served(lexical, source, "another", 20)
    assert remove_superseded(source, before) == ["another"]
    assert left(source) == {"before", "now", "now-int8"}


def test_a_model_that_only_a_download_brings_back_stays(lexical: Prepared, source: ModelSource) -> None:
    for revision, days_ago in (("downloaded", 9), ("before", 5)):
        served(lexical, source, revision, days_ago)
    note = source.home / "modelscope" / "other--model" / "master" / "current.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"prepared": "downloaded"}))
    assert remove_superseded(source, served(lexical, source, "now", 0)) == []
    assert left(source) == {"downloaded", "before", "now"}


def test_a_folder_of_the_users_own_is_left_alone(lexical: Prepared, source: ModelSource) -> None:
    for revision, days_ago in (("oldest", 9), ("before", 5)):
        served(lexical, source, revision, days_ago)
    assert remove_superseded(source, lexical) == []
    assert left(source) == {"oldest", "before"}


def test_what_nobody_has_served_yet_stays_for_a_day(lexical: Prepared, source: ModelSource) -> None:
    def never_served(revision: str, hours_ago: float) -> None:
        folder = served(lexical, source, revision, 0).folder
        os.utime(folder / NOTE_FILE, (0, 0))
        then = time.time() - 3600 * hours_ago
        os.utime(folder, (then, then))

    never_served("failed", 30)
    never_served("made now", 1)
    served(lexical, source, "before", 5)
    # `update-model` may be about to write down that it has downloaded this one.
    assert remove_superseded(source, served(lexical, source, "now", 0)) == ["failed"]
    assert left(source) == {"made now", "before", "now"}


def test_a_model_counts_as_served_once_it_answers(lexical_source: Path, tmp_path: Path) -> None:
    prepared = prepare(lexical_source, "owner/name", tmp_path / "prepared")
    assert (prepared.folder / NOTE_FILE).stat().st_mtime == 0
    source = ModelSource("owner/name", "master", None, built_in=False, home=tmp_path, precision="fp32")
    remove_superseded(source, prepared)
    assert time.time() - (prepared.folder / NOTE_FILE).stat().st_mtime < 60


def test_the_way_back_of_a_model_outlasts_another_model_in_between(lexical: Prepared, source: ModelSource) -> None:
    served(lexical, source, "other", 3)
    of_this = served(lexical, source, "before", 5)
    note = of_this.folder / NOTE_FILE
    then = note.stat().st_mtime
    for revision in ("before", "now"):
        folder = of_this.folder if revision == "before" else served(lexical, source, "now", 0).folder
        content = json.loads((folder / NOTE_FILE).read_text())
        (folder / NOTE_FILE).write_text(json.dumps(content | {"source": "owner/name"}))
    os.utime(note, (then, then))
    now = read_prepared(source.prepared_home / "now")
    assert now is not None
    assert remove_superseded(source, now) == []
    assert left(source) == {"other", "before", "now"}


def other_weights(folder: Path, step: float) -> None:
    """Give a model folder another revision."""
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    weights["bert.embeddings.LayerNorm.bias"] += step
    torch.save(weights, folder / "pytorch_model.bin")


def test_old_models_go_when_a_new_one_serves_and_one_is_kept_for_the_way_back(
    lexical_source: Path, tmp_path: Path, new_service: Callable[..., Service]
) -> None:
    folder = Path(shutil.copytree(lexical_source, tmp_path / "model"))
    service = new_service(GTE_MODEL_DIR=str(folder), GTE_WORKERS="1")
    home = service.home / "models"

    def serve() -> str:
        if service.process and service.process.poll() is not None:
            service.start()
        service.wait_until("ready")
        revision = str(service.predict("embedding", "天气").json["revision"])
        wait_for(lambda: (home / "prepared" / revision / NOTE_FILE).stat().st_mtime, "it counts as served")
        service.stop()
        return revision

    def command(name: str) -> subprocess.CompletedProcess[str]:
        environ = dict(os.environ) | service.environ | {"GTE_MODELS_HOME": str(home)}
        words = [sys.executable, "-m", "gte_service", name]
        return subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=False)

    def kept() -> set[str]:
        return {entry.name for entry in (home / "prepared").glob("[!.]*")}

    first = serve()
    nothing = command("rollback")
    assert (nothing.returncode, "none to go back to" in nothing.stderr) == (1, True), nothing
    other_weights(folder, 0.1)
    second = serve()
    assert kept() == {first, second}
    other_weights(folder, 0.1)
    third = serve()
    assert kept() == {second, third}
    assert {file.name.split("-")[0] for file in (home / "prototypes").iterdir()} == {second, third}
    back = command("rollback")
    assert (back.returncode, f"revision {second} instead of {third}" in back.stdout) == (0, True), back
    assert serve() == second
    assert kept() == {second, third}
    assert f"revision {third} instead of {second}" in command("rollback").stdout
    assert serve() == third
    # A way back holds for the revision that it leads away from, not for the next one.
    assert command("rollback").returncode == 0
    other_weights(folder, 0.1)
    fourth = serve()
    assert fourth not in {second, third}
    assert kept() == {third, fourth}
