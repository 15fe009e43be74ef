"""Claims the folder of this replica's metric files: the same one after a restart, and none of another replica."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gte_monitoring.disk_space import RESERVED_BYTES, give_space

_MOST_REPLICAS = 256
# Counters, histograms and gauges.
_FILES_OF_A_WORKER = 3
# Says of the lines of an owner, none for nobody, whether the folder is the one.
_Wanted = Callable[[list[str]], bool]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricsFolder:
    """A folder that belongs to this process as long as `lock` is open."""

    path: Path
    lock: IO[str]


def claim(home: Path, fallback: Path, name: str | None = None, host: str = "") -> MetricsFolder:
    """Take this replica's folder `replica-<n>` in `home`: its own again after a restart, and no live replica's.

    A folder that nobody has put a name to, as those of earlier versions, becomes that of the first replica that comes.

    Args:
        home: where the folders of all replicas are, on a volume that outlives containers.
        fallback: taken where `home` can't be used; what is counted there ends with the container.
        name: of this replica, the same after a restart; None where nobody could say it.
        host: of this container, the same until it is made anew. Without a name it finds the folder again; without
            either, the first folder that is free is taken.

    Raises:
        OSError: the fallback can't be used either.
    """
    try:
        return _claim(home, name, host)
    except OSError as error:
        _log.error(
            "%s can't hold the metric files (%s). They are in %s now: Prometheus will see counters begin anew when "
            "this container is started again.", home, error, fallback,
        )  # fmt: skip
        return _claim(fallback, name, host)


def _claim(home: Path, name: str | None, host: str) -> MetricsFolder:
    # Its own, then one without an owner, then any.
    wanted: list[_Wanted] = [lambda owner: owner[:1] == [name], lambda owner: not owner, lambda _: True]
    if not name:
        wanted[:2] = [lambda owner: owner[1:] == [host]]
    for is_wanted in wanted:
        for number in range(_MOST_REPLICAS):
            if claimed := _taken(home / f"replica-{number}", is_wanted):
                if name:
                    _put_owner(claimed.lock, name, host)
                return claimed
    raise OSError(f"all {_MOST_REPLICAS} folders are taken")


def _put_owner(lock: IO[str], name: str, host: str) -> None:
    # On a full disk it goes without: what the folder holds is worth more than whose it is.
    with suppress(OSError):
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), f"{name}\n{host}".encode())


def _taken(path: Path, is_wanted: _Wanted) -> MetricsFolder | None:
    """Take a folder that is free and has an owner, name and host, that is wanted; a new one has none."""
    file = path / "replica.lock"
    if not file.exists() and not is_wanted([]):
        return None
    path.mkdir(parents=True, exist_ok=True)
    lock = file.open("a+", encoding="utf-8", errors="replace")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.seek(0)
        if is_wanted(lock.read().splitlines()):
            if not any(path.glob("counter_*.db")):
                _require_space(path)
            return MetricsFolder(path, lock)
    except BlockingIOError:
        pass
    except BaseException:
        lock.close()
        raise
    lock.close()
    return None


def _require_space(path: Path) -> None:
    """Fail if the disk is too full for a worker's first files; the files of an earlier start have their space."""
    with tempfile.TemporaryFile(dir=path) as probe:
        give_space(probe.fileno(), _FILES_OF_A_WORKER * RESERVED_BYTES)
