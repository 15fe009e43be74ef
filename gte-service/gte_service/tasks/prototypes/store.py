"""The vectors of all prototypes: computed once for a model and its precision, kept in a file, mapped by the workers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gte_service.engine import PRECISIONS, Encoder
from gte_service.errors import ModelFilesError, StorageError
from gte_service.tasks.model import Passage
from gte_service.tasks.protocol import Task

_DIGEST_DIGITS = 12
# Texts in one call; the progress is reported between two calls.
_STEP = 32


def prototypes_file(home: Path, revision: str, precision: str, tasks: Mapping[str, Task]) -> Path:
    """The file of these tasks' prototype vectors; its name changes with whatever their vectors depend on."""
    made_of = [(name, list(task.prototypes)) for name, task in tasks.items()], PRECISIONS[precision].edition
    digest = hashlib.sha256(repr(made_of).encode())
    return home / "prototypes" / f"{revision}-{precision}-{digest.hexdigest()[:_DIGEST_DIGITS]}.safetensors"


def write_prototypes(
    file: Path, encoder: Encoder, tasks: Mapping[str, Task], report: Callable[[str], None] = lambda _: None
) -> None:
    """Compute the vectors of all prototypes into a file, which appears complete or not at all.

    Args:
        file: the path from `prototypes_file`.
        encoder: the model.
        tasks: the tasks, by name.
        report: is told the progress in a few words.

    Raises:
        StorageError: the file can't be written.
    """
    parts: dict[str, list[Passage]] = {}
    for task in tasks.values():
        for passage in task.prototypes:
            parts.setdefault(passage.text, []).append(passage)
    vectors: dict[Passage, Tensor] = {}
    texts = list(parts)
    for begin in range(0, len(texts), _STEP):
        report(f"computing the vectors of the tasks' example texts: {begin} of {len(texts)}")
        step = texts[begin : begin + _STEP]
        encoded = encoder.encode(step, token_vectors=True)
        for text, vector, tokens in zip(step, encoded.vectors, encoded.token_vectors, strict=True):
            for passage in parts[text]:
                part = tokens.mean(passage.spans)
                vectors[passage] = vector if part is None else part
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            {
                name: torch.stack([vectors[passage] for passage in task.prototypes])
                for name, task in tasks.items()
                if task.prototypes
            },
            unfinished,
        )
        unfinished.replace(file)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{file} can't be written ({error}): free some space there, and the service continues by itself."
        ) from error


def read_prototypes(file: Path, tasks: Iterable[str]) -> dict[str, Tensor]:
    """The vectors of each task's prototypes, mapped; an empty tensor for a task without prototypes.

    Raises:
        ModelFilesError: the file is missing or damaged.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            names = set(stored.keys())
            return {name: stored.get_tensor(name) if name in names else torch.empty(0) for name in tasks}
    except (OSError, SafetensorError) as error:
        raise ModelFilesError(f"{file} can't be read ({error}): remove it and restart the service.") from error


def remove_prototypes(home: Path, revisions: Iterable[str]) -> None:
    """Remove the vectors that were computed with models of these revisions."""
    for revision in revisions:
        for file in (home / "prototypes").glob(f"{revision}-*.safetensors"):
            file.unlink(missing_ok=True)
