"""The state of the model and of the workers, in small files that the processes of the service exchange.

The preparer writes `model.json`; each worker that takes requests writes `worker-<slot>.json`. Both are in the run
folder on tmpfs and are replaced atomically, so a reader never sees half a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

from gte_monitoring.processes.procfs import start_time

State = Literal["starting", "downloading", "preparing", "retrying", "prepared", "loading", "ready", "failed"]


@dataclass(frozen=True)
class ModelStatus:
    """The state of the model's files.

    Attributes:
        model: the model's name for people.
        demo: whether it is the built-in demo model.
        state: `prepared` once workers can load it; `retrying` and `failed` have a `detail`.
        detail: the current step, or the problem and what to do about it.
        folder: the prepared folder, "" until there is one.
        revision: first 12 hex digits of the weights' SHA-256, "" until known.
        precision: what its linear layers are computed in, "" until known.
        speedup: speed of a layer in its precision, relative to fp32, measured at the start; 0 until known.
        downloaded_bytes: bytes that have arrived.
        total_bytes: bytes to download in total, 0 until known.
    """

    model: str
    demo: bool
    state: State = "starting"
    detail: str = ""
    folder: str = ""
    revision: str = ""
    precision: str = ""
    speedup: float = 0.0
    downloaded_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True)
class WorkerStatus:
    """The state of one worker.

    Attributes:
        pid: its process id.
        started: its start time, as `start_time` gives it.
        state: `loading`, `ready` or `failed`.
        detail: why it has failed.
        revision: the loaded model's revision, "" until the worker is ready.
        load_seconds: from the start of loading to the answered probe.
    """

    pid: int
    started: int
    state: State
    detail: str = ""
    revision: str = ""
    load_seconds: float = 0.0


@dataclass(frozen=True)
class Readiness:
    """Whether requests can be answered, and if not, why.

    Attributes:
        state: `ready` only when every worker that takes requests has answered the probe text.
        detail: for people; names the percentage while the model is fetched, and the reason of a failure.
        model: the state of the model's files.
        workers: the workers that take requests.
    """

    state: State
    detail: str
    model: ModelStatus
    workers: tuple[WorkerStatus, ...]

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return self.state == "ready"


_Status = TypeVar("_Status", ModelStatus, WorkerStatus)


def write_model_status(run_dir: Path, status: ModelStatus) -> None:
    """Replace the state of the model's files."""
    _write(run_dir / "model.json", status)


def read_model_status(run_dir: Path) -> ModelStatus:
    """The state of the model's files; `starting` until the preparer has written one."""
    return _read(run_dir / "model.json", ModelStatus) or ModelStatus(model="", demo=False)


def write_worker_status(run_dir: Path, slot: int, status: WorkerStatus) -> None:
    """Replace the state of the worker in a slot."""
    _write(run_dir / f"worker-{slot}.json", status)


def read_readiness(run_dir: Path) -> Readiness:
    """Whether requests can be answered, from the states of the model's files and of the live workers."""
    model = read_model_status(run_dir)
    workers = tuple(_live_workers(run_dir))
    state, detail = _combine(model, workers)
    return Readiness(state, detail, model, workers)


def _combine(model: ModelStatus, workers: tuple[WorkerStatus, ...]) -> tuple[State, str]:
    if model.state == "downloading":
        share = f" {100 * model.downloaded_bytes // model.total_bytes} %" if model.total_bytes else ""
        return "downloading", f"downloading{share} of {model.model}"
    if model.state != "prepared":
        return model.state, model.detail or model.state
    failed = next((worker for worker in workers if worker.state == "failed"), None)
    if failed:
        return "failed", failed.detail
    if not workers or any(worker.state != "ready" for worker in workers):
        return "loading", "the workers are loading the model"
    return "ready", "the model has answered a probe text"


def _live_workers(run_dir: Path) -> Iterator[WorkerStatus]:
    for path in sorted(run_dir.glob("worker-*.json")):
        status = _read(path, WorkerStatus)
        if status and start_time(status.pid) == status.started:
            yield status


def _write(path: Path, status: ModelStatus | WorkerStatus) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(asdict(status), ensure_ascii=False), encoding="utf-8")
    unfinished.replace(path)


def _read(path: Path, kind: type[_Status]) -> _Status | None:
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
