"""From the settings to a prepared model: built in, from a local folder, from the cache, or from ModelScope."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gte_service.engine.store import hub
from gte_service.engine.store.checkpoint import storage_errors
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
        folder, name = source.folder, str(source.folder)
    elif source.built_in:
        folder, name = _built_in(source, report.preparing), source.name
    else:
        # Other precisions are converted from fp32, so that one download serves them all.
        folder, name = (cached(source) or update(source, report)).folder, source.name
    return prepare(folder, name, source.prepared_home, report.preparing, source.precision)


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
        folder = source.hub_folder / "download"
        hub.fetch(source.name, source.revision, files, folder, report.downloading)
        prepared = prepare(folder, source.name, source.prepared_home, report.preparing)
        with storage_errors(source.hub_folder):
            note = source.hub_folder / "current.json"
            unfinished = note.with_suffix(".unfinished")
            unfinished.write_text(json.dumps({"prepared": prepared.revision}) + "\n", encoding="utf-8")
            unfinished.replace(note)
            # The prepared folder has all that is needed; the download would only use disk space.
            shutil.rmtree(folder)
    return prepared


def _built_in(source: ModelSource, report: Callable[[str], None]) -> Path:
    folder = source.home / source.name.replace(":", "-")
    try:
        ModelFolder(folder).check()
    except ModelFilesError:
        report("writing the demo model")
        write_lexical(folder)
    return folder
