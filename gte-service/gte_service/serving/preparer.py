"""The process that fetches and prepares the model while the server already answers probes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from gte_service.engine import Encoder
from gte_service.engine.store.obtain import ModelSource, obtain
from gte_service.engine.store.prepared import Prepared
from gte_service.errors import DownloadError, ModelError
from gte_service.serving.status import ModelStatus, write_model_status
from gte_service.settings import Settings
from gte_service.tasks.prototypes.store import prototypes_file, write_prototypes
from gte_service.tasks.registry import TASKS

FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 300.0
# Tries without a new byte after which the state is `failed` and no longer `retrying`; it goes on trying all the same.
TRIES_BEFORE_FAILED = 3
_STATUS_EVERY_SECONDS = 0.5
_LOG_EVERY_SECONDS = 15.0
_log = logging.getLogger(__name__)


def source_of(settings: Settings) -> ModelSource:
    """What the settings ask for, in the engine's words."""
    return ModelSource(
        name=settings.model,
        revision=settings.model_revision,
        folder=settings.model_dir,
        built_in=settings.is_demo,
        home=settings.models_home,
        precision=settings.precision,
    )


class LogReport:
    """Writes how far the model is into the log, not too often."""

    def __init__(self) -> None:
        """Start in silence."""
        self._logged = 0.0

    def downloading(self, arrived: int, total: int) -> None:
        """See `Report`."""
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY_SECONDS or arrived == total:
            self._logged = now
            _log.info("downloading: %d %% of %d MiB", 100 * arrived // max(1, total), total >> 20)

    def preparing(self, what: str) -> None:
        """See `Report`."""
        _log.info("%s", what)


class StatusReport(LogReport):
    """Writes how far the model is into the run folder too."""

    def __init__(self, settings: Settings) -> None:
        """Start with `starting`."""
        super().__init__()
        self._run_dir = settings.run_dir
        self._run_dir.mkdir(parents=True, exist_ok=True)
        self._written = 0.0
        self.status = ModelStatus(settings.model_name, settings.is_demo)
        self.say()

    def say(self, **changes: object) -> None:
        """Change fields of the status and write it."""
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
        write_model_status(self._run_dir, self.status)

    def downloading(self, arrived: int, total: int) -> None:
        """See `Report`."""
        super().downloading(arrived, total)
        now = time.monotonic()
        if now - self._written >= _STATUS_EVERY_SECONDS or arrived == total:
            self._written = now
            self.say(state="downloading", detail="", downloaded_bytes=arrived, total_bytes=total)

    def preparing(self, what: str) -> None:
        """See `Report`."""
        super().preparing(what)
        self.say(state="preparing", detail=what)


def run(settings: Settings, wait: Callable[[float], None] = time.sleep) -> None:
    """Obtain the model, however often that takes, and say where it is.

    Args:
        settings: the service's settings.
        wait: how to pass the seconds between two tries.
    """
    report = StatusReport(settings)
    source = source_of(settings)
    said = ""
    fruitless = 0
    pause = FIRST_WAIT_SECONDS
    while True:
        arrived = report.status.downloaded_bytes
        try:
            prepared = obtain(source, report)
            _compare(settings, prepared, report)
            break
        except ModelError as error:
            message, passing = str(error), isinstance(error, DownloadError)
        except Exception as error:  # noqa: BLE001 (whatever it is, the state must say so and the next try must come)
            message, passing = f"{type(error).__name__}: {error}", False
        progressed = report.status.downloaded_bytes > arrived
        fruitless = 0 if progressed else fruitless + 1
        pause = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** max(0, fruitless - 1))
        state = "retrying" if passing and fruitless < TRIES_BEFORE_FAILED else "failed"
        report.say(state=state, detail=f"{message} Next try in {pause:.0f} s.")
        # The same trouble again is not news.
        _log.log(logging.ERROR if message != said else logging.DEBUG, "no model yet: %s", message)
        said = message
        wait(pause)
    report.say(
        state="prepared",
        detail="",
        folder=str(prepared.folder),
        revision=prepared.revision,
        precision=prepared.precision,
    )
    _log.info("%s is prepared: revision %s, %s, in %s",
              settings.model_name, prepared.revision, prepared.precision, prepared.folder)  # fmt: skip


def _compare(settings: Settings, prepared: Prepared, report: StatusReport) -> None:
    """Make sure that there are vectors of what the tasks compare with."""
    file = prototypes_file(settings.models_home, prepared.revision, prepared.precision, TASKS)
    if not file.exists():
        torch.set_num_threads(settings.torch_threads)
        with Encoder(prepared.folder) as encoder:
            write_prototypes(file, encoder, TASKS, report.preparing)
