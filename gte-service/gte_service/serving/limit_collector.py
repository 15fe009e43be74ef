"""Shows what the service may use at most, so that panels and alerts can draw a limit beside the use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from gte_monitoring.exposition.families import family
from gte_service.contract import BY_NAME
from gte_service.settings import Settings, available_cpus

# Of cgroup version 2, and of version 1.
_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")
_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


class LimitCollector(Collector):
    """The metric gte_limit."""

    def __init__(self, settings: Settings) -> None:
        """Show the limits of a service with these settings; those of the container are read at each scrape."""
        # Like the metrics that they are compared with, those of a worker are summed over the workers.
        self._configured = {
            "threads": settings.workers * settings.threads,
            "queue_texts": settings.workers * settings.queue_texts,
            "batch_tokens": settings.batch_tokens,
        }

    def collect(self) -> Iterable[Family]:
        """Each limit that there is."""
        limits: dict[str, float] = {"cpus": available_cpus(), **self._configured}
        if (memory := memory_limit()) is not None:
            limits["memory_bytes"] = memory
        yield family(BY_NAME["gte_limit"], [((resource,), limit) for resource, limit in limits.items()])


def memory_limit(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int | None:
    """Bytes of memory that the container may use, None where it may use all of the machine's.

    Args:
        cgroup: where the container's cgroup is mounted, of version 1 or 2.
        meminfo: what the kernel says of the machine's memory.
    """
    machine = _machine_bytes(meminfo)
    for name in _LIMIT_FILES:
        try:
            # "max" in version 2, a number beyond all memory in version 1: no limit.
            limit = int((cgroup / name).read_text())
        except (OSError, ValueError):
            continue
        return limit if machine is None or limit < machine else None
    return None


def _machine_bytes(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    # In KiB, although it says kB.
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemTotal:")), None)
