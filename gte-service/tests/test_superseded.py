"""Prepared models that newer ones have replaced go, and what can't be made again stays."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from gte_service.engine.store.obtain import ModelSource
from gte_service.engine.store.prepared import NOTE_FILE, Prepared, read_prepared
from gte_service.engine.store.superseded import remove_superseded
from gte_service.serving.preparer import run, source_of
from gte_service.settings import read_settings


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


def test_the_preparer_removes_them_and_their_prototypes(lexical: Prepared, tmp_path: Path) -> None:
    settings = read_settings(
        {"GTE_MODEL": "builtin:lexical", "GTE_MODELS_HOME": str(tmp_path), "GTE_RUN_DIR": str(tmp_path / "run")}
    )
    source = source_of(settings)
    vectors = {name: tmp_path / "prototypes" / f"{name}-fp32-0.safetensors" for name in ("oldest", "before")}
    for days_ago, (revision, file) in enumerate(vectors.items()):
        served(lexical, source, revision, 9 - days_ago)
        file.parent.mkdir(exist_ok=True)
        file.touch()
    run(settings)
    assert left(source) == {"before", lexical.revision}
    assert {name for name, file in vectors.items() if file.exists()} == {"before"}
