"""From the settings to a prepared model: built in, from a local folder, from the cache, or from ModelScope."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gte_service.engine.store import hub
from gte_service.engine.store.checkpoint import WEIGHTS_FILES, find_weights, storage_errors
from gte_service.engine.store.prepared import Prepared, prepare, read_prepared
from gte_service.engine.store.synthetic import write_lexical
from gte_service.errors import ModelFilesError


class Report(Protocol):
    """Whoever wants to know how far it is."""

    def downloading(self, arrived: int, total: int) -> None:
        """So many bytes of so many have arrived."""

    def preparing(self, what: str) -> None:
        """The weights are being read or written."""


@dataclass(frozen=True)
class ModelSource:
    """Which model is wanted, and where models are kept.

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
        """What belongs to this model and revision as ModelScope names them."""
        return self.home / "modelscope" / self.name.replace("/", "--") / self.revision.replace("/", "--")


def cached(source: ModelSource) -> Prepared | None:
    """The fp32 form of a ModelScope model that is here already, or None. Makes no network call."""
    try:
        note = json.loads((source.hub_folder / "current.json").read_text(encoding="utf-8"))
        return read_prepared(source.prepared_home / str(note["prepared"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def obtain(source: ModelSource, report: Report) -> Prepared:
    """The model, prepared; what is here already is used as it is, without asking ModelScope for something newer.

    Raises:
        ModelError: there is no usable model; the message says why and what to do.
    """
    if source.folder is not None:
        folder, name = source.folder, str(source.folder)
    elif source.built_in:
        folder, name = _built_in(source, report.preparing), source.name
    else:
        # Other precisions are made from this one, so that one download serves them all.
        folder, name = (cached(source) or update(source, report)).folder, source.name
    return prepare(folder, name, source.prepared_home, report.preparing, source.precision)


def update(source: ModelSource, report: Report) -> Prepared:
    """Take the model that ModelScope has now, in fp32. The one in use stays whole until the new one is.

    Raises:
        ModelError: as `obtain`.
    """
    files = hub.list_model(source.name, source.revision)
    weights = next(file for file in files if file.path in WEIGHTS_FILES)
    present = cached(source)
    if present and weights.sha256 and weights.sha256.startswith(present.revision):
        return present
    folder = source.hub_folder / "download"
    hub.fetch(source.name, source.revision, files, folder, report.downloading)
    prepared = prepare(folder, source.name, source.prepared_home, report.preparing)
    with storage_errors(source.hub_folder):
        note = source.hub_folder / "current.json"
        unfinished = note.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"prepared": prepared.revision}) + "\n", encoding="utf-8")
        unfinished.replace(note)
        # The prepared folder holds all that is needed; the download would only take the room a second time.
        shutil.rmtree(folder)
    return prepared


def _built_in(source: ModelSource, report: Callable[[str], None]) -> Path:
    folder = source.home / source.name.replace(":", "-")
    try:
        find_weights(folder)
    except ModelFilesError:
        report("writing the demo model")
        write_lexical(folder)
    return folder
