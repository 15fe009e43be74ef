"""Loads the model into this worker as soon as its files are prepared, and says how far it is."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from gte_monitoring.processes.procfs import start_time
from gte_service.engine.batcher import Batch, Limits, Watcher
from gte_service.engine.compute_lock import Turns
from gte_service.engine.encoder import Encoder
from gte_service.errors import ModelError, ModelNotReady
from gte_service.serving.inference_recorder import InferenceRecorder
from gte_service.serving.status import (
    ModelStatus,
    State,
    WorkerStatus,
    read_model_status,
    read_readiness,
    write_worker_status,
)
from gte_service.settings import Settings
from gte_service.tasks.model import Prototypes, VectorCache
from gte_service.tasks.prototypes.store import prototypes_file, read_prototypes
from gte_service.tasks.registry import TASKS

_POLL_SECONDS = 0.25
# For the answers that are being written when the model has broken down.
_LAST_WORDS_SECONDS = 1.0
_log = logging.getLogger(__name__)


class ModelHolder(Watcher):
    """The worker's model, once it has answered a probe text; replaces the worker when the model has broken down.

    Attributes:
        revision: of the model that answers, "" until there is one.
        prototypes: those of every task, by its name; empty until the model answers.
        cache: vectors of labels that clients have sent.
    """

    def __init__(self, settings: Settings, slot: int, recorder: InferenceRecorder) -> None:
        """Hold the model for the worker in `slot`."""
        self._settings = settings
        self._slot = slot
        self._recorder = recorder
        self._encoder: Encoder | None = None
        self.revision = ""
        self.prototypes: Mapping[str, Prototypes] = {}
        self.cache = VectorCache()

    def start(self) -> None:
        """Load the model now if its files are prepared, otherwise in the background once they are."""
        status = read_model_status(self._settings.run_dir)
        if status.state == "prepared":
            self._load(status)
        else:
            self._say("loading")
            threading.Thread(target=self._wait_and_load, name="model-loader", daemon=True).start()

    def encoder(self) -> Encoder:
        """The loaded model.

        Raises:
            ModelNotReady: it is not loaded (yet); the message says how far it is.
        """
        if self._encoder is None:
            detail = read_readiness(self._settings.run_dir).detail.rstrip(".")
            raise ModelNotReady(f"the model can't answer yet: {detail}.")
        return self._encoder

    def queue(self, texts: int) -> None:
        """See `Watcher`."""
        self._recorder.queue_depth(texts)

    def batch(self, batch: Batch) -> None:
        """See `Watcher`."""
        self._recorder.batch(batch.texts, batch.tokens, batch.seconds)

    def broken(self, why: str) -> None:
        """End this process, once its requests have been told why; gunicorn starts another."""
        _log.error("worker %d: %s", self._slot, why)
        self._encoder = None
        self._say("failed", why)
        time.sleep(_LAST_WORDS_SECONDS)
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
            limits = Limits(self._settings.batch_tokens, self._settings.queue_texts, self._settings.hang_seconds)
            turns = Turns(self._settings.run_dir / "turns", self._settings.computations, limits.hang_seconds / 6)
            encoder = Encoder(Path(status.folder), limits, self, turns)
            encoder.probe()
            file = prototypes_file(self._settings.models_home, status.revision, encoder.precision, TASKS)
            vectors = read_prototypes(file, TASKS)
        except ModelError as error:
            _log.error("the model can't be loaded: %s", error)
            self._say("failed", str(error))
            return
        except Exception as error:  # noqa: BLE001 (whatever it is must show in /readyz, not end in a thread's silence)
            _log.exception("the model can't be loaded")
            self._say("failed", f"loading failed: {type(error).__name__}: {error}")
            return
        seconds = time.monotonic() - begun
        self.prototypes = {name: Prototypes(rows) for name, rows in vectors.items()}
        self._encoder, self.revision = encoder, status.revision
        self._say("ready", revision=status.revision, load_seconds=round(seconds, 3))
        _log.info("worker %d: %s (revision %s) ready in %.1f s", self._slot, status.model, status.revision, seconds)

    def _say(self, state: State, detail: str = "", revision: str = "", load_seconds: float = 0.0) -> None:
        pid = os.getpid()
        status = WorkerStatus(pid, start_time(pid), state, detail, revision, load_seconds)
        write_worker_status(self._settings.run_dir, self._slot, status)
