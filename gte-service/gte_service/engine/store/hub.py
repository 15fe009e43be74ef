"""Downloads a model from ModelScope: reports progress, resumes, and checks that every file is complete."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gte_service.engine.store.checkpoint import revision_of, sha256_of, storage_errors
from gte_service.errors import DownloadError, StorageError
from gte_service.model_folder import CONFIG, INDEX, TOKENIZER, VOCABULARY, is_configuration, weights_among

Progress = Callable[[int, int], None]
"""Is called with the bytes that have arrived and the bytes in total."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository, as ModelScope lists it. `sha256` is None where ModelScope gives none."""

    path: str
    size: int
    sha256: str | None


def list_model(model: str, revision: str) -> list[RemoteFile]:
    """The files of a model that the engine needs, weights included.

    Raises:
        DownloadError: ModelScope can't be reached, doesn't know the model, or the model has no usable files.
    """
    with _hub_errors(model, revision):
        from modelscope_hub import HubApi  # noqa: PLC0415 (slow to import, and needed only for a download)

        endpoint = HubApi().resolve_endpoint_for_read(model, repo_type="model")
        listed = HubApi(endpoint=endpoint).list_repo_files(model, "model", revision=revision)
    files = {file.path: RemoteFile(file.path, file.size, file.sha256) for file in listed if not file.is_dir}
    configuration = [name for name in files if is_configuration(name)]
    weights = weights_among(files)
    known = {PurePosixPath(name).name for name in configuration}
    missing = [] if CONFIG in known else [CONFIG]
    if not known & {VOCABULARY, TOKENIZER}:
        missing.append(f"{VOCABULARY} or {TOKENIZER}")
    if not weights:
        missing.append("model.safetensors or pytorch_model.bin")
    if missing:
        raise DownloadError(f"{model}@{revision} on ModelScope has no {', '.join(missing)}: check GTE_MODEL.")
    return [files[name] for name in (*configuration, *weights)]


def revision_of_files(files: Sequence[RemoteFile]) -> str | None:
    """The revision that these files will have once they are prepared; None where ModelScope gives no SHA-256."""
    listed = {file.path: file.sha256 for file in files}
    digests = [listed[name] for name in weights_among(listed) if not name.endswith(INDEX)]
    return revision_of([digest for digest in digests if digest]) if all(digests) else None


def fetch(model: str, revision: str, files: list[RemoteFile], folder: Path, progress: Progress) -> None:
    """Download the listed files into a folder; partial files of an earlier call are resumed.

    Raises:
        DownloadError: a file is missing or damaged. The next call continues where this one stopped.
        StorageError: the folder is full or can't be written.
    """
    total = sum(file.size for file in files)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _require_room(folder, total)
    # No progress bars: the log gets lines from `progress` instead.
    os.environ["TQDM_DISABLE"] = "1"
    with _hub_errors(model, revision), storage_errors(folder):
        from modelscope.hub.snapshot_download import (  # noqa: PLC0415 (as above)
            snapshot_download,
        )

        logging.getLogger("modelscope_hub").setLevel(logging.WARNING)
        logging.getLogger("modelscope").setLevel(logging.WARNING)
        snapshot_download(
            model,
            revision=revision,
            local_dir=str(folder),
            allow_patterns=[file.path for file in files],
            progress_callbacks=[_counter_class(files, folder, progress)],
        )
    _require_complete(model, files, folder)


def _require_complete(model: str, files: list[RemoteFile], folder: Path) -> None:
    for file in files:
        path = folder / file.path
        size = path.stat().st_size if path.is_file() else 0
        if size != file.size or (file.sha256 and sha256_of(path) != file.sha256):
            path.unlink(missing_ok=True)
            raise DownloadError(
                f"{file.path} of {model} arrived damaged ({size} of {file.size} bytes): it is downloaded again."
            )


def _require_room(folder: Path, total: int) -> None:
    present = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    # The download, and about twice its size once half precision has become 32-bit floats.
    needed = max(0, total - present) + 2 * total
    if free < needed:
        raise StorageError(
            f"{folder} has {free >> 20} MiB free; downloading and preparing the model needs {needed >> 20} MiB: "
            "free some space there, and the service continues by itself."
        )


def _counter_class(files: list[RemoteFile], folder: Path, progress: Progress) -> type:
    """A class for ModelScope's `progress_callbacks`, which makes one object per file, some of them in threads."""
    lock = threading.Lock()
    total = sum(file.size for file in files)
    arrived = {file.path: _size(folder / file.path) for file in files}

    class Counter:
        def __init__(self, filename: str, file_size: int) -> None:
            self.filename = filename
            with lock:
                arrived[filename] = 0

        def update(self, size: int) -> None:
            with lock:
                arrived[self.filename] += size
                progress(sum(arrived.values()), total)

        def end(self) -> None:
            """Nothing to do: `update` has counted the last byte."""

    return Counter


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def _hub_errors(model: str, revision: str) -> Iterator[None]:
    """Turn any error of ModelScope's client into one DownloadError. Storage errors pass through."""
    model_at = f"{model}@{revision}"
    try:
        yield
    except (StorageError, DownloadError):
        raise
    except Exception as error:  # the client's errors and those of the libraries below it have no common base
        details = "; ".join(f"{name}: {why}" for name, why in getattr(error, "failed_files", {}).items())
        reason = " ".join(f"{error} {details}".split())[:300]
        if "No space left" in reason:
            raise StorageError(f"no space left for {model_at}: free some, and the download continues.") from error
        raise DownloadError(
            f"{model_at} could not be downloaded from ModelScope ({type(error).__name__}: {reason}). Check the network "
            "and GTE_MODEL, or name a folder that holds the model in GTE_MODEL_DIR."
        ) from error
