"""Loads the model into this worker as soon as its files are prepared, and publishes the worker's state.

A load that fails is tried again; one that hangs ends the worker, so that another tries. Once the model answers, older
ones leave the disk.
"""

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
from gte_service.engine.store.prepared import read_prepared
from gte_service.engine.store.superseded import remove_superseded
from gte_service.errors import ModelError, ModelNotReady
from gte_service.serving.inference_recorder import InferenceRecorder
from gte_service.serving.preparer import source_of
from gte_service.serving.status import (
    ModelStatus,
    Readiness,
    State,
    WorkerStatus,
    read_model_status,
    read_readiness,
    write_worker_status,
)
from gte_service.settings import LOADS_MAY_TAKE, Settings
from gte_service.tasks.model import Model, Prototypes, VectorCache
from gte_service.tasks.prototypes.store import prototypes_file, read_prototypes, remove_prototypes
from gte_service.tasks.registry import TASKS

_POLL_SECONDS = 0.25
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
# Less than gunicorn's timeout, which ends a worker that is still starting.
_BOOT_SECONDS = 45.0
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
        self._compute_lock: ComputeLock | None = None
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._problem = ""

    def start(self) -> None:
        """Load the model in the background, trying until it succeeds.

        Where its files are prepared, wait for the first try: a worker that replaces another takes no request before it
        can answer it, unless that takes so long that gunicorn would end it.
        """
        is_prepared = read_model_status(self._settings.run_dir).state == "prepared"
        if not is_prepared:
            self._publish("loading")
        threading.Thread(target=self._keep_loading, name="model-loader", daemon=True).start()
        if is_prepared and not self._settled.wait(_BOOT_SECONDS):
            self._publish("loading")

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

    def _keep_loading(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        bound = LOADS_MAY_TAKE * self._settings.hang_seconds
        while True:
            while (status := read_model_status(self._settings.run_dir)).state != "prepared":
                time.sleep(_POLL_SECONDS)
            hung = f"loading the model has hung for over {bound} s; this worker is being replaced. Try again."
            watch = threading.Timer(bound, self.broken, [hung])
            watch.daemon = True
            watch.start()
            try:
                problem = self._load(status)
            finally:
                watch.cancel()
            if not problem:
                break
            self._publish("failed", f"{problem} Next try in {pause:g} s.")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)
        self._remove_superseded(Path(status.folder))

    def _load(self, status: ModelStatus) -> str:
        """Try once; returns why the model can't be loaded, "" if it is."""
        begun = time.monotonic()
        encoder = None
        try:
            torch.set_num_threads(self._settings.torch_threads)
            limits = Limits(
                self._settings.batch_tokens,
                self._settings.queue_texts,
                self._settings.hang_seconds,
                self._settings.queue_requests,
            )
            if self._compute_lock is None:
                self._compute_lock = ComputeLock(
                    self._settings.run_dir / "compute-lock", self._settings.computations, limits.hang_seconds / 6
                )
            folder = Path(status.folder)
            encoder = Encoder(folder, limits, self, self._compute_lock)
            encoder.probe()
            file = prototypes_file(self._settings.models_home, status.revision, encoder.precision, TASKS)
            vectors = read_prototypes(file, TASKS)
            prepared_at = int(folder.stat().st_mtime)
        except Exception as error:  # noqa: BLE001 (any failure must show in /readyz, and the next try must follow)
            problem = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
            # The same problem is logged once.
            if problem != self._problem:
                _log.error("the model can't be loaded: %s", problem, exc_info=not isinstance(error, ModelError))
            self._problem = problem
            if encoder:
                encoder.close()
            return problem
        seconds = time.monotonic() - begun
        self._prototypes = {name: Prototypes(rows) for name, rows in vectors.items()}
        self.revision, self.prepared_at = status.revision, prepared_at
        self._encoder = encoder
        self._publish("ready", revision=status.revision, load_seconds=round(seconds, 3))
        _log.info("worker %d: %s (revision %s) ready in %.1f s; it reads %d tokens of a text",
                  self._slot, status.model, status.revision, seconds, encoder.max_tokens)  # fmt: skip
        return ""

    def _remove_superseded(self, folder: Path) -> None:
        """Remove the models that this one has replaced, now that it answers."""
        source = source_of(self._settings)
        try:
            serving = read_prepared(folder)
            revisions = remove_superseded(source, serving) if serving else []
            remove_prototypes(source.home, revisions)
        except (ModelError, OSError) as error:
            _log.warning("older models stay on the disk: %s", error)
        else:
            if revisions:
                _log.info("removed older models: %s", ", ".join(revisions))

    def _publish(self, state: State, detail: str = "", revision: str = "", load_seconds: float = 0.0) -> None:
        pid = os.getpid()
        status = WorkerStatus(pid, start_time(pid), state, detail, revision, load_seconds)
        with self._lock:
            if state == "loading" and self._settled.is_set():
                return
            write_worker_status(self._settings.run_dir, self._slot, status)
            if state != "loading":
                self._settled.set()
