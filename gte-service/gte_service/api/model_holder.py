"""Loads the model into this worker as soon as its files are prepared, and says how far it is."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gte_service.engine.encoder import Encoder
from gte_service.engine.status import (
    ModelStatus,
    State,
    WorkerStatus,
    read_model_status,
    read_readiness,
    write_worker_status,
)
from gte_service.errors import ModelError, ModelNotReady
from gte_service.procfs import start_time
from gte_service.settings import Settings

_POLL_SECONDS = 0.25
_log = logging.getLogger(__name__)


class ModelHolder:
    """The worker's model, once it has answered a probe text."""

    def __init__(self, settings: Settings, slot: int, on_ready: Callable[[], None]) -> None:
        """Hold the model for the worker in `slot`; `on_ready` is called when it can answer."""
        self._settings = settings
        self._slot = slot
        self._on_ready = on_ready
        self._encoder: Encoder | None = None
        self._stop = threading.Event()
        self.revision = ""

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
            raise ModelNotReady(f"the model can't answer yet: {read_readiness(self._settings.run_dir).detail}.")
        return self._encoder

    def _wait_and_load(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            status = read_model_status(self._settings.run_dir)
            if status.state == "prepared":
                self._load(status)
                return

    def _load(self, status: ModelStatus) -> None:
        begun = time.monotonic()
        try:
            torch.set_num_threads(self._settings.torch_threads)
            encoder = Encoder(Path(status.folder))
            encoder.probe()
        except ModelError as error:
            _log.error("the model can't be loaded: %s", error)
            self._say("failed", str(error))
            return
        except Exception as error:  # noqa: BLE001 (whatever it is must show in /readyz, not end in a thread's silence)
            _log.exception("the model can't be loaded")
            self._say("failed", f"loading failed: {type(error).__name__}: {error}")
            return
        seconds = time.monotonic() - begun
        self._encoder, self.revision = encoder, status.revision
        self._on_ready()
        self._say("ready", revision=status.revision, load_seconds=round(seconds, 3))
        _log.info("worker %d: %s (revision %s) ready in %.1f s", self._slot, status.model, status.revision, seconds)

    def _say(self, state: State, detail: str = "", revision: str = "", load_seconds: float = 0.0) -> None:
        pid = os.getpid()
        status = WorkerStatus(pid, start_time(pid), state, detail, revision, load_seconds)
        write_worker_status(self._settings.run_dir, self._slot, status)
