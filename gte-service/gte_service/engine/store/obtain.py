"""From the settings to a prepared model: built in, from a local folder, from the cache, or from ModelScope."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gte_service.engine.precision import Fp32
from gte_service.engine.store import hub
from gte_service.engine.store.checkpoint import revision_of, sha256_of, storage_errors
from gte_service.engine.store.folder_lock import folder_lock
from gte_service.engine.store.prepared import Prepared, prepare, read_prepared
from gte_service.engine.store.synthetic import write_lexical
from gte_service.errors import ModelFilesError
from gte_service.model_folder import ModelFolder


class Report(Protocol):
    """Gets the progress of obtaining a model."""

    def downloading(self, arrived: int, total: int) -> None:
        """`arrived` of `total` bytes have been downloaded."""

    def preparing(self, step: str) -> None:
        """The model is being prepared; `step` says in a few words what is being done."""


@dataclass(frozen=True)
class ModelSource:
    """Which model to obtain, and where models are kept.

    Attributes:
        name: a ModelScope id, or the name of the built-in model.
        revision: branch, tag or commit asked of ModelScope.
        folder: a local folder that holds the model; nothing is fetched then.
        built_in: whether the model is written by code.
        home: where fetched and prepared models are kept.
        precision: a name of `PRECISIONS`.
    """

    name: str
    revision: str
    folder: Path | None
    built_in: bool
    home: Path
    precision: str

    @property
    def prepared_home(self) -> Path:
        """The folder of all prepared models, one by revision."""
        return self.home / "prepared"

    @property
    def source_name(self) -> str:
        """The name that the notes of its prepared models have."""
        return self.name if self.folder is None else str(self.folder)

    @property
    def hub_folder(self) -> Path:
        """The folder of this model and revision, as ModelScope names them."""
        return self.home / "modelscope" / self.name.replace("/", "--") / self.revision.replace("/", "--")


def cached(source: ModelSource) -> Prepared | None:
    """The prepared fp32 form of a ModelScope model if it has been downloaded, or None. Makes no network call."""
    try:
        note = json.loads((source.hub_folder / "current.json").read_text(encoding="utf-8"))
        return read_prepared(source.prepared_home / str(note["prepared"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def obtain(source: ModelSource, report: Report) -> Prepared:
    """The model, prepared. One that has been downloaded is used as it is: ModelScope isn't asked for a newer one.

    Raises:
        ModelError: there is no usable model; the message says why and what to do.
    """
    if source.folder is not None:
        folder = source.folder
    elif source.built_in:
        folder = _built_in(source, report.preparing)
    else:
        # Other precisions are converted from fp32, so that one download serves them all.
        folder = (cached(source) or update(source, report)).folder
    folder = _rolled_back(source) or folder
    return prepare(folder, source.source_name, source.prepared_home, report.preparing, source.precision)


def current_revision(source: ModelSource) -> str:
    """The revision of the model that the source names, whether it is served or not.

    Raises:
        ModelFilesError: its folder can't be used, or it has not been downloaded.
    """
    if source.folder is not None:
        files = ModelFolder(source.folder)
        return revision_of([sha256_of(files.file(name)) for name in files.weights()])
    if present := cached(source):
        return present.revision
    raise ModelFilesError(f"{source.name} has not been downloaded yet.")


@contextmanager
def rollbacks(source: ModelSource) -> Iterator[dict[str, dict[str, str]]]:
    """The way back of each model, to read and change: by its name the revision not to serve, and the one in its place.

    Raises:
        StorageError: a change can't be written.
    """
    file = source.home / "rollbacks.json"
    table = _read_rollbacks(file)
    before = json.dumps(table)
    yield table
    if json.dumps(table) != before:
        with storage_errors(file):
            unfinished = file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(table) + "\n", encoding="utf-8")
            unfinished.replace(file)


def _read_rollbacks(file: Path) -> dict[str, dict[str, str]]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): {"from": str(back["from"]), "to": str(back["to"])} for name, back in table.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _rolled_back(source: ModelSource) -> Path | None:
    """The prepared model to serve in place of the current one, None if there was no `gte-service rollback` from it."""
    with rollbacks(source) as table:
        back = table.get(source.source_name)
    if back is None or source.built_in or back["from"] != current_revision(source):
        return None
    found = [read_prepared(folder) for folder in source.prepared_home.glob(f"{back['to']}*")]
    kept = [model for model in found if model and model.is_current]
    fitting = [model for model in kept if model.precision in (source.precision, Fp32.name)]
    if not fitting:
        raise ModelFilesError(
            f"gte-service rollback went back to revision {back['to']}, which is "
            + (f"kept only as {kept[0].precision}: set GTE_PRECISION={kept[0].precision}" if kept else "kept no longer")
            + ". `gte-service rollback` once more returns to the current one."
        )
    return next((model for model in fitting if model.precision == source.precision), fitting[0]).folder


def update(source: ModelSource, report: Report) -> Prepared:
    """Prepare, in fp32, the model that ModelScope has now. The one in use stays until the new one is complete.

    Waits while another process downloads the same model.

    Raises:
        ModelError: as `obtain`.
    """
    files = hub.list_model(source.name, source.revision)
    revision = hub.revision_of_files(files)
    with folder_lock(source.hub_folder, report.preparing):
        present = cached(source)
        if present and present.revision == revision:
            return present
        known = read_prepared(source.prepared_home / revision) if revision else None
        if known and known.precision == Fp32.name:
            _use(source, known)
            return known
        folder = source.hub_folder / "download"
        hub.fetch(source.name, source.revision, files, folder, report.downloading)
        prepared = prepare(folder, source.name, source.prepared_home, report.preparing)
        _use(source, prepared)
        with storage_errors(source.hub_folder):
            # The prepared folder has all that is needed; the download would only use disk space.
            shutil.rmtree(folder)
    return prepared


def _use(source: ModelSource, prepared: Prepared) -> None:
    """Write down that this is the model that has been downloaded."""
    with storage_errors(source.hub_folder):
        note = source.hub_folder / "current.json"
        unfinished = note.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"prepared": prepared.revision}) + "\n", encoding="utf-8")
        unfinished.replace(note)


def _built_in(source: ModelSource, report: Callable[[str], None]) -> Path:
    folder = source.home / source.name.replace(":", "-")
    try:
        ModelFolder(folder).check()
    except ModelFilesError:
        report("writing the demo model")
        write_lexical(folder)
    return folder
