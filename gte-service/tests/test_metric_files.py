"""A damaged metric file breaks neither the service's start nor a scrape, and its counts stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conftest import Service
from gte_monitoring.processes.slots import read_holders

SUCCESSES = 'gte_task_requests_total{status="success",task_type="embedding"}'
FIRST_ENTRY = 8


def overwrite(path: Path, position: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def test_a_worker_starts_with_a_damaged_file_and_no_scrape_fails(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1")
    service.wait_until("ready")
    for _ in range(3):
        assert service.predict("embedding", "天气").status == 200
    assert service.metrics()[SUCCESSES] == 3
    (holder,) = [holder for holder in read_holders(service.metrics_dir) if holder.alive]
    file = service.metrics_dir / f"counter_{holder.slot}.db"
    overwrite(file, FIRST_ENTRY, b"\xff" * 64)
    metrics = service.metrics()
    assert (metrics[SUCCESSES], metrics["gte_metric_files_set_aside_total"]) == (3, 1)
    service.stop()
    overwrite(service.metrics_dir / f"histogram_{holder.slot}.db", FIRST_ENTRY, b"\xff" * 64)
    service.start()
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200
    metrics = service.metrics()
    assert (metrics[SUCCESSES], metrics["gte_metric_files_set_aside_total"]) == (4, 2)
    assert "was damaged" in service.log.read_text()
