"""The prepared model: weights converted once into one file that every worker maps, and a note of their origin.

If each worker converted the weights, each would have a private copy in memory; workers that map one file share it.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gte_service.engine.bert import BertShape, check_weights
from gte_service.engine.declared import Declared, read_declared
from gte_service.engine.precision import PRECISIONS, Fp32, Precision, precision_named
from gte_service.engine.store.checkpoint import map_safetensors, read_weights, revision_of, sha256_of, storage_errors
from gte_service.engine.store.folder_lock import folder_lock
from gte_service.errors import ModelFilesError, StorageError
from gte_service.model_folder import CONFIG, ModelFolder

WEIGHTS_FILE = "model.safetensors"
NOTE_FILE = "prepared.json"
_SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Prepared:
    """A folder that workers can load.

    Attributes:
        folder: its path.
        revision: the first 12 hex digits of the SHA-256 of the weights it was made from.
        source: the name of the model it was made from.
        weights_bytes: size of its weights file.
        precision: what its linear layers are computed in.
        edition: how that precision stored them.
    """

    folder: Path
    revision: str
    source: str
    weights_bytes: int
    precision: str
    edition: int = 1

    @property
    def is_current(self) -> bool:
        """Whether it was stored as its precision stores weights now."""
        return self.precision not in PRECISIONS or self.edition == PRECISIONS[self.precision].edition


def read_prepared(folder: Path) -> Prepared | None:
    """The prepared model in a folder, or None where there is none or it is incomplete."""
    try:
        note = json.loads((folder / NOTE_FILE).read_text(encoding="utf-8"))
        found = Prepared(
            folder,
            str(note["revision"]),
            str(note["source"]),
            int(note["weights_bytes"]),
            str(note.get("precision", Fp32.name)),
            int(note.get("edition", 1)),
        )
        complete = (folder / WEIGHTS_FILE).stat().st_size == found.weights_bytes
        ModelFolder(folder).configuration()
    except (OSError, ValueError, KeyError, TypeError, ModelFilesError):
        return None
    return found if complete else None


def read_shape(folder: Path) -> BertShape:
    """The sizes of a prepared model.

    Raises:
        ModelFilesError: its files can't be used.
    """
    weights = map_safetensors(folder / WEIGHTS_FILE, "remove its folder")
    sizes = {name: tuple(weight.shape) for name, weight in weights.items()}
    return BertShape.read(folder / ModelFolder(folder).own(CONFIG), sizes)


def prepare(
    source: Path,
    name: str,
    home: Path,
    report: Callable[[str], None] = lambda _: None,
    precision: str = Fp32.name,
) -> Prepared:
    """Turn a model folder into a prepared one below `home`, unless it has been prepared already.

    Waits while another process prepares a model there.

    Args:
        source: a folder with config.json, a tokenizer and weights; one prepared in this precision is used where it is.
        name: the model's name in the note.
        home: the folder that holds prepared models, one by revision and precision.
        report: is told in a few words what is being done.
        precision: a name of `PRECISIONS`.

    Raises:
        ModelFilesError: `source` is incomplete, damaged, not BERT, or prepared in another reduced precision or edition.
        PrecisionError: this machine can't compute in that precision.
        StorageError: `home` is full or can't be written.
    """
    arithmetic = precision_named(precision)
    files = ModelFolder(source)
    given = read_prepared(source)
    if not given:
        files.check()
    weights = [source / name for name in ((WEIGHTS_FILE,) if given else files.weights())]
    if given and given.precision == precision:
        if not given.is_current:
            raise ModelFilesError(
                f"{source} was prepared as {precision} by an earlier version of this service, which rounded "
                "the weights in another way: name the folder of the original model."
            )
        return given
    if given and given.precision != Fp32.name:
        raise ModelFilesError(
            f"{source} was prepared as {given.precision} and can't be turned into {precision}: "
            f"set GTE_PRECISION={given.precision}, or name the folder of the original model."
        )
    if not given:
        report("reading the weights")
    revision = given.revision if given else revision_of([sha256_of(file) for file in weights])
    target = home / (revision if precision == Fp32.name else f"{revision}-{precision}")
    if ready := _reusable(source, target, precision):
        return ready
    tensors = read_weights(weights)
    # Refuses what can't be obeyed before the long work.
    declared = read_declared(source, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    with folder_lock(home, report), storage_errors(home):
        # Another process may have prepared it while this one waited for the lock.
        if ready := _reusable(source, target, precision):
            return ready
        report(f"writing the file that the workers share ({precision})")
        # Left by processes that died: a live one would hold the lock.
        for unfinished in home.glob("unfinished-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        _require_room(home, declared.shape, arithmetic)
        staging = Path(tempfile.mkdtemp(prefix="unfinished-", dir=home))
        try:
            size = _write_weights(tensors, declared, arithmetic, staging / WEIGHTS_FILE)
            for name_of_file in files.configuration():
                (staging / name_of_file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name_of_file, staging / name_of_file)
            prepared = Prepared(target, revision, given.source if given else name, size, precision, arithmetic.edition)
            note = {key: value for key, value in asdict(prepared).items() if key != "folder"}
            (staging / NOTE_FILE).write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            # Its time tells when the model was served last: not yet.
            os.utime(staging / NOTE_FILE, (0, 0))
            staging.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            # The rename makes the folder appear complete or not at all.
            staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return prepared


def _reusable(source: Path, target: Path, precision: str) -> Prepared | None:
    ready = read_prepared(target)
    fits = ready and ready.precision == precision and ready.is_current and _same_configuration(source, target)
    return ready if fits else None


def _write_weights(weights: Mapping[str, Tensor], declared: Declared, precision: Precision, path: Path) -> int:
    layout = declared.shape.layout(Fp32())
    tensors = {name: weights[name].to(torch.float32).contiguous() for name in layout if name in weights}
    check_weights(tensors, layout)
    broken = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if broken:
        raise ModelFilesError(f"weight {broken} contains NaN or infinity: the file is damaged, copy the model again.")
    for layer in declared.shape.linear_layers():
        stored = precision.store(tensors.pop(f"{layer}.weight"), tensors.pop(f"{layer}.bias"))
        tensors |= {f"{layer}.{part}": tensor for part, tensor in stored.items()}
    save_file(tensors, path, metadata={"format": "pt"})
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path.stat().st_size


def _require_room(home: Path, shape: BertShape, precision: Precision) -> None:
    layout = shape.layout(precision).values()
    needed = sum(math.prod(size) * kind.itemsize for size, kind in layout) + _SPARE_BYTES
    free = shutil.disk_usage(home).free
    if free < needed:
        raise StorageError(
            f"{home} has {free >> 20} MiB free, and the prepared weights need {needed >> 20} MiB: "
            "free some space there, and the service continues by itself."
        )


def _same_configuration(source: Path, target: Path) -> bool:
    first, second = (ModelFolder(folder).configuration() for folder in (source, target))
    return first == second and all((source / name).read_bytes() == (target / name).read_bytes() for name in first)
