"""Removes prepared models that newer ones have replaced: each takes as much disk as its weights."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from gte_service.engine.store.folder_lock import folder_lock
from gte_service.engine.store.obtain import ModelSource
from gte_service.engine.store.prepared import NOTE_FILE, Prepared, read_prepared


def remove_superseded(source: ModelSource, serving: Prepared) -> list[str]:
    """Remove what nobody needs beside the model that is served from now on.

    Kept are all precisions of its revision, the revision that was served before it, and every revision that can be
    had again only by a download. A worker that still maps a removed file keeps it until the worker ends.

    Args:
        source: names the folders of the models.
        serving: the model that workers load from now on.

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
        models = [model for folder in home.iterdir() if (model := read_prepared(folder))]
        last_served: dict[str, float] = {}
        for model in models:
            served = (model.folder / NOTE_FILE).stat().st_mtime
            last_served[model.revision] = max(served, last_served.get(model.revision, 0.0))
        others = sorted(last_served.keys() - {serving.revision}, key=lambda revision: -last_served[revision])
        removed = [revision for revision in others[1:] if revision not in set(_downloaded(source))]
        for model in models:
            if model.revision in removed:
                shutil.rmtree(model.folder, ignore_errors=True)
    return removed


def _downloaded(source: ModelSource) -> Iterator[str]:
    """The revisions of the models that were downloaded and have no newer download."""
    for note in source.home.glob("modelscope/*/*/current.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            yield str(json.loads(note.read_text(encoding="utf-8"))["prepared"])
