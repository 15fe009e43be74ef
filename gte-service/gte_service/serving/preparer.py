"""The process that obtains and prepares the model while the server already answers probes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from gte_service.engine import Encoder
from gte_service.engine.speed import measure_speed
from gte_service.engine.store.obtain import ModelSource, obtain
from gte_service.engine.store.prepared import Prepared, read_shape
from gte_service.errors import DownloadError, ModelError
from gte_service.serving.questions import write_questions
from gte_service.serving.status import ModelStatus, write_model_status
from gte_service.settings import Settings
from gte_service.tasks.prototypes.store import prototypes_file, write_prototypes
from gte_service.tasks.registry import TASKS

FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 300.0
# After this many tries without a new byte the state is `failed` instead of `retrying`; the tries continue.
TRIES_BEFORE_FAILED = 3
_STATUS_EVERY_SECONDS = 0.5
_LOG_EVERY_SECONDS = 15.0
_log = logging.getLogger(__name__)


def source_of(settings: Settings) -> ModelSource:
    """The model that the settings name, as the engine takes it."""
    return ModelSource(
        name=settings.model,
        revision=settings.model_revision,
        folder=settings.model_dir,
        built_in=settings.is_demo,
        home=settings.models_home,
        precision=settings.precision,
    )


class LogReport:
    """Logs the progress, at most every 15 seconds."""

    def __init__(self) -> None:
        self._logged = 0.0

    def downloading(self, arrived: int, total: int) -> None:
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY_SECONDS or arrived == total:
            self._logged = now
            _log.info("downloading: %d %% of %d MiB", 100 * arrived // max(1, total), total >> 20)

    def preparing(self, step: str) -> None:
        _log.info("%s", step)


class StatusReport(LogReport):
    """Also writes the progress into the run folder, beginning with the state `starting`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._run_dir = settings.run_dir
        self._run_dir.mkdir(parents=True, exist_ok=True)
        self._written = 0.0
        self.status = ModelStatus(settings.model_name, settings.is_demo)
        self.update()

    def update(self, **changes: object) -> None:
        """Change fields of the status and write it."""
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
        write_model_status(self._run_dir, self.status)

    def downloading(self, arrived: int, total: int) -> None:
        super().downloading(arrived, total)
        now = time.monotonic()
        if now - self._written >= _STATUS_EVERY_SECONDS or arrived == total:
            self._written = now
            self.update(state="downloading", detail="", downloaded_bytes=arrived, total_bytes=total)

    def preparing(self, step: str) -> None:
        super().preparing(step)
        self.update(state="preparing", detail=step)


def run(settings: Settings, wait: Callable[[float], None] = time.sleep) -> None:
    """Obtain the model, trying until it succeeds, and publish its folder.

    Args:
        settings: the service's settings.
        wait: sleeps the seconds between two tries.
    """
    report = StatusReport(settings)
    write_questions(settings.run_dir, {name: task.example for name, task in TASKS.items()})
    source = source_of(settings)
    logged = ""
    fruitless = 0
    pause = FIRST_WAIT_SECONDS
    while True:
        arrived = report.status.downloaded_bytes
        try:
            prepared = obtain(source, report)
            speedup = _measure_speed(prepared, report)
            _ensure_prototypes(settings, prepared, report)
            break
        except ModelError as error:
            message, transient = str(error), isinstance(error, DownloadError)
        except Exception as error:  # noqa: BLE001 (after any failure the state must show it and the next try must follow)
            message, transient = f"{type(error).__name__}: {error}", False
        progressed = report.status.downloaded_bytes > arrived
        fruitless = 0 if progressed else fruitless + 1
        pause = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** max(0, fruitless - 1))
        state = "retrying" if transient and fruitless < TRIES_BEFORE_FAILED else "failed"
        report.update(state=state, detail=f"{message} Next try in {pause:.0f} s.")
        # The same problem is logged once.
        _log.log(logging.ERROR if message != logged else logging.DEBUG, "no model yet: %s", message)
        logged = message
        wait(pause)
    report.update(
        state="prepared",
        detail="",
        folder=str(prepared.folder),
        revision=prepared.revision,
        precision=prepared.precision,
        speedup=speedup,
    )
    _log.info("%s is prepared: revision %s, %s, in %s",
              settings.model_name, prepared.revision, prepared.precision, prepared.folder)  # fmt: skip


def _measure_speed(prepared: Prepared, report: StatusReport) -> float:
    """Log how fast the model's precision is on this machine; returns its speed relative to fp32.

    Raises:
        PrecisionError: it is too slow to be of use.
    """
    report.preparing(f"measuring the speed of {prepared.precision}")
    speed = measure_speed(prepared.precision, read_shape(prepared.folder))
    _log.info("%s computes %.0f tokens/s of one layer on one thread, %.2f times the speed of fp32",
              prepared.precision, speed.tokens_per_second, speed.speedup)  # fmt: skip
    if speed.speedup < 1:
        _log.warning("GTE_PRECISION=%s is slower than fp32 with this model on this CPU, and less exact. Set fp32.",
                     prepared.precision)  # fmt: skip
    return speed.speedup


def _ensure_prototypes(settings: Settings, prepared: Prepared, report: StatusReport) -> None:
    """Compute the vectors of the tasks' prototypes, unless their file exists."""
    file = prototypes_file(settings.models_home, prepared.revision, prepared.precision, TASKS)
    if not file.exists():
        torch.set_num_threads(settings.torch_threads)
        with Encoder(prepared.folder) as encoder:
            write_prototypes(file, encoder, TASKS, report.preparing)
