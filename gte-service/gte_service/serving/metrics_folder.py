"""Claims the folder of this replica's metric files: the same one after a restart, and none of another replica."""

from __future__ import annotations

import fcntl
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gte_monitoring.disk_space import RESERVED_BYTES, give_space

_MOST_REPLICAS = 256
# Counters, histograms and gauges.
_FILES_OF_A_WORKER = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricsFolder:
    """A folder that belongs to this process as long as `lock` is open."""

    path: Path
    lock: IO[str]


def claim(home: Path, fallback: Path) -> MetricsFolder:
    """Take the first `replica-<n>` in `home` that no live replica holds; a container that was killed finds its own.

    Args:
        home: where the folders of all replicas are, on a volume that outlives containers.
        fallback: taken where `home` can't be used; what is counted there ends with the container.

    Raises:
        OSError: the fallback can't be used either.
    """
    try:
        return _claim(home)
    except OSError as error:
        _log.error(
            "%s can't hold the metric files (%s). They are in %s now: Prometheus will see counters begin anew when "
            "this container is started again.", home, error, fallback,
        )  # fmt: skip
        return _claim(fallback)


def _claim(home: Path) -> MetricsFolder:
    for number in range(_MOST_REPLICAS):
        path = home / f"replica-{number}"
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "replica.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if not any(path.glob("counter_*.db")):
            _require_space(path)
        return MetricsFolder(path, lock)
    raise OSError(f"all {_MOST_REPLICAS} folders are taken")


def _require_space(path: Path) -> None:
    """Fail if the disk is too full for a worker's first files; the files of an earlier start have their space."""
    with tempfile.TemporaryFile(dir=path) as probe:
        give_space(probe.fileno(), _FILES_OF_A_WORKER * RESERVED_BYTES)
