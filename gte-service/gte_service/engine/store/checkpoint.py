"""Reads the weights of a model folder as published, and names them by their content."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gte_service.errors import ModelFilesError, StorageError

# Digits of the weights' SHA-256 that name a revision.
REVISION_DIGITS = 12
_HASHED_AT_ONCE = 1 << 24
# What writing to a file fails with; a network error has other numbers.
_STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def revision_of(digests: Sequence[str]) -> str:
    """The revision of weights whose files have these SHA-256, in order."""
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return whole[:REVISION_DIGITS]


def map_safetensors(path: Path, advice: str) -> dict[str, Tensor]:
    """Map a safetensors file: its pages are shared by all processes that map it.

    Args:
        path: the file.
        advice: what to do when it is damaged, for the message.

    Raises:
        ModelFilesError: the file is missing or not a complete safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise ModelFilesError(f"{path} is not a complete weights file ({error}): {advice}.") from error


def read_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Each BERT weight in a checkpoint of one or several files, named as in `BertShape.layout`.

    Published checkpoints differ: a prefix before the names (`bert.`), and `gamma`/`beta` for the norms of old ones.

    Raises:
        ModelFilesError: a file is cut off, damaged, or they hold no BERT weights.
    """
    weights: dict[str, Tensor] = {}
    for path in paths:
        weights |= map_safetensors(path, "copy the model again") if path.suffix == ".safetensors" else _pickled(path)
    anchor = "embeddings.word_embeddings.weight"
    prefix = next((name.removesuffix(anchor) for name in weights if name.endswith(anchor)), None)
    if prefix is None:
        raise ModelFilesError(f"{paths[0]} holds no BERT weights (no {anchor}): it is another kind of model.")
    return {
        name.removeprefix(prefix)
        .replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias"): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix) and tensor.is_floating_point()
    }


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write under `path` into one clear StorageError.

    Other errors pass unchanged, those of a network connection among them: they have neither a number of
    `_STORAGE_ERRORS` nor the name of a file.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        # safetensors and torch report the operating system's error in a text of their own.
        text = str(error)
        number = getattr(error, "errno", None)
        if number in {errno.ENOSPC, errno.EDQUOT} or "No space left" in text or "unexpected pos" in text:
            raise StorageError(
                f"no space left under {path}: free some, and the service continues by itself."
            ) from error
        if number in _STORAGE_ERRORS or getattr(error, "filename", None) is not None:
            raise StorageError(f"{path} can't be written ({error}): make it writable for uid {os.getuid()}.") from error
        raise


def _pickled(path: Path) -> dict[str, Tensor]:
    try:
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:
            # Files written before torch 1.6 are no zip archives and can't be mapped.
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        first_line = str(error).partition("\n")[0]
        raise ModelFilesError(f"{path} is not a complete PyTorch file ({first_line}): copy the model again.") from error
    if isinstance(loaded, dict):
        loaded = loaded.get("state_dict", loaded)
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelFilesError(f"{path} is not a table of weights: it is another kind of file.")
    return loaded
