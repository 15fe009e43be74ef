"""Removes prepared models that newer ones have replaced, each as large as its weights, and keeps the way back."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress

from gte_service.engine.store.folder_lock import folder_lock
from gte_service.engine.store.obtain import ModelSource, current_revision, rollbacks
from gte_service.engine.store.prepared import NOTE_FILE, Prepared, read_prepared
from gte_service.errors import ModelFilesError

# Another process may be about to serve what it has prepared, or to note that it has downloaded it.
_UNSERVED_SECONDS = 86_400.0


def remove_superseded(source: ModelSource, serving: Prepared) -> list[str]:
    """Remove what nobody needs beside the model that answers now.

    Kept are all precisions of its revision, the revision that was served before it (of this model and of any),
    every revision that can be had again only by a download, and what was prepared within a day and not served yet.
    A worker that still maps a removed file keeps it until the worker ends.

    Args:
        source: names the folders of the models.
        serving: the model that a worker has loaded.

    Returns:
        the removed revisions.

    Raises:
        StorageError: the folder can't be written.
    """
    home = source.prepared_home
    if serving.folder.parent != home:
        return []
    with folder_lock(home, lambda _: None):
        # The note's time tells when a model was served last.
        os.utime(serving.folder / NOTE_FILE)
        models = _prepared_in(source)
        served = _last_served(models)
        others = [revision for revision in served if revision != serving.revision]
        before = [revision for revision in others if served[revision]]
        of_this = {model.revision for model in models if model.source == serving.source}
        kept = {*before[:1], *[revision for revision in before if revision in of_this][:1], *_downloaded(source)}
        kept |= {model.revision for model in models if not served[model.revision] and _age(model) < _UNSERVED_SECONDS}
        removed = [revision for revision in others if revision not in kept]
        for model in models:
            if model.revision in removed:
                shutil.rmtree(model.folder, ignore_errors=True)
    return removed


def roll_back(source: ModelSource) -> tuple[str, str]:
    """Have the next start serve the revision that was served before the current one; once more: the current one again.

    It holds until the source has another revision.

    Returns:
        the revision that is left, and the one that the next start serves.

    Raises:
        ModelFilesError: no other revision of the model that was served is kept.
        StorageError: it can't be written down.
    """
    now = current_revision(source)
    with folder_lock(source.prepared_home, lambda _: None), rollbacks(source) as table:
        back = table.pop(source.source_name, None)
        if back and back["from"] == now:
            return back["to"], now
        models = [model for model in _prepared_in(source) if model.source == source.source_name]
        served = _last_served(models)
        before = next((revision for revision in served if served[revision] and revision != now), None)
        if before is None:
            raise ModelFilesError(
                f"no other revision of {source.source_name} that was served is kept, so there is none to go back to."
            )
        table[source.source_name] = {"from": now, "to": before}
    return now, before


def forget_rollback(source: ModelSource) -> bool:
    """Have the next start serve the current revision; returns whether another would have been served."""
    with folder_lock(source.prepared_home, lambda _: None), rollbacks(source) as table:
        return table.pop(source.source_name, None) is not None


def _prepared_in(source: ModelSource) -> list[Prepared]:
    return [model for folder in source.prepared_home.iterdir() if (model := read_prepared(folder))]


def _last_served(models: list[Prepared]) -> dict[str, float]:
    """When each revision was served last, in Unix seconds, 0 for never; the last one first."""
    times: dict[str, float] = {}
    for model in models:
        served = (model.folder / NOTE_FILE).stat().st_mtime
        times[model.revision] = max(served, times.get(model.revision, 0.0))
    return dict(sorted(times.items(), key=lambda entry: -entry[1]))


def _age(model: Prepared) -> float:
    """Seconds since it was prepared."""
    return time.time() - model.folder.stat().st_mtime


def _downloaded(source: ModelSource) -> Iterator[str]:
    """The revisions of the models that were downloaded and have no newer download."""
    for note in source.home.glob("modelscope/*/*/current.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            yield str(json.loads(note.read_text(encoding="utf-8"))["prepared"])
