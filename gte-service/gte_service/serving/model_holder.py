"""Loads the model into this worker as soon as its files are prepared, and publishes the worker's state."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from gte_monitoring.processes.procfs import start_time
from gte_service.engine.allowance import Allowance
from gte_service.engine.batcher import Batch, Limits, Watcher
from gte_service.engine.compute_lock import ComputeLock
from gte_service.engine.encoder import Encoder
from gte_service.errors import ModelError, ModelNotReady
from gte_service.serving.inference_recorder import InferenceRecorder
from gte_service.serving.status import (
    ModelStatus,
    Readiness,
    State,
    WorkerStatus,
    read_model_status,
    read_readiness,
    write_worker_status,
)
from gte_service.settings import Settings
from gte_service.tasks.model import Model, Prototypes, VectorCache
from gte_service.tasks.prototypes.store import prototypes_file, read_prototypes
from gte_service.tasks.registry import TASKS

_POLL_SECONDS = 0.25
# Time for the answers that are being written when the model has failed.
_LAST_ANSWERS_SECONDS = 1.0
_log = logging.getLogger(__name__)


class ModelHolder(Watcher):
    """The worker's model, once it has answered a probe text; ends the worker when the model has failed.

    Attributes:
        revision: the loaded model's revision, "" until it is loaded.
        prepared_at: when its files were prepared, in Unix seconds; 0 until it is loaded.
    """

    def __init__(self, settings: Settings, slot: int, recorder: InferenceRecorder) -> None:
        self.revision = ""
        self.prepared_at = 0
        self._settings = settings
        self._slot = slot
        self._recorder = recorder
        self._encoder: Encoder | None = None
        self._prototypes: Mapping[str, Prototypes] = {}
        self._cache = VectorCache()

    def start(self) -> None:
        """Load the model now if its files are prepared, otherwise in the background once they are."""
        status = read_model_status(self._settings.run_dir)
        if status.state == "prepared":
            self._load(status)
        else:
            self._publish("loading")
            threading.Thread(target=self._wait_and_load, name="model-loader", daemon=True).start()

    def for_request(self, deadline: float) -> Model:
        """The model for one request, which is given up at the `time.monotonic()` of the deadline.

        Raises:
            ModelNotReady: it is not loaded; the message has its state.
        """
        if self._encoder is None:
            raise ModelNotReady(f"the model can't answer yet: {self.readiness().detail.rstrip('.')}.")
        allowance = Allowance(self._settings.max_texts, self._settings.max_tokens)
        return Model(self._encoder, self._prototypes, self._cache, deadline, allowance)

    def readiness(self) -> Readiness:
        """The state of the service: of the model's files and of all workers."""
        return read_readiness(self._settings.run_dir)

    def queue(self, texts: int) -> None:
        self._recorder.queue_depth(texts)

    def batch(self, batch: Batch) -> None:
        self._recorder.batch(batch.texts, batch.tokens, batch.seconds)

    def broken(self, why: str) -> None:
        """End this process once its requests have been answered; gunicorn starts another."""
        _log.error("worker %d: %s", self._slot, why)
        self._encoder = None
        self._publish("failed", why)
        time.sleep(_LAST_ANSWERS_SECONDS)
        # Not sys.exit: a computation that hangs would keep the process alive.
        os._exit(1)

    def _wait_and_load(self) -> None:
        while (status := read_model_status(self._settings.run_dir)).state != "prepared":
            time.sleep(_POLL_SECONDS)
        self._load(status)

    def _load(self, status: ModelStatus) -> None:
        begun = time.monotonic()
        try:
            torch.set_num_threads(self._settings.torch_threads)
            limits = Limits(
                self._settings.batch_tokens,
                self._settings.queue_texts,
                self._settings.hang_seconds,
                self._settings.queue_requests,
            )
            compute_lock = ComputeLock(
                self._settings.run_dir / "compute-lock", self._settings.computations, limits.hang_seconds / 6
            )
            folder = Path(status.folder)
            encoder = Encoder(folder, limits, self, compute_lock)
            encoder.probe()
            file = prototypes_file(self._settings.models_home, status.revision, encoder.precision, TASKS)
            vectors = read_prototypes(file, TASKS)
        except ModelError as error:
            _log.error("the model can't be loaded: %s", error)
            self._publish("failed", str(error))
            return
        except Exception as error:  # noqa: BLE001 (any failure must show in /readyz, not end a thread silently)
            _log.exception("the model can't be loaded")
            self._publish("failed", f"loading failed: {type(error).__name__}: {error}")
            return
        seconds = time.monotonic() - begun
        self._prototypes = {name: Prototypes(rows) for name, rows in vectors.items()}
        self.revision, self.prepared_at = status.revision, int(folder.stat().st_mtime)
        self._encoder = encoder
        self._publish("ready", revision=status.revision, load_seconds=round(seconds, 3))
        _log.info("worker %d: %s (revision %s) ready in %.1f s", self._slot, status.model, status.revision, seconds)

    def _publish(self, state: State, detail: str = "", revision: str = "", load_seconds: float = 0.0) -> None:
        pid = os.getpid()
        status = WorkerStatus(pid, start_time(pid), state, detail, revision, load_seconds)
        write_worker_status(self._settings.run_dir, self._slot, status)
