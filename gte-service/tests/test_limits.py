"""gte_limit shows what is configured, and the container's memory only where it has a limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Service
from gte_service.serving.limit_collector import memory_limit
from gte_service.settings import available_cpus, read_settings

V1, V2 = "memory/memory.limit_in_bytes", "memory.max"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({V2: "8000000000\n"}, 8_000_000_000),
        ({V2: "max\n"}, None),
        ({V1: "8000000000\n"}, 8_000_000_000),
        # What version 1 says where nothing is limited.
        ({V1: "9223372036854771712\n"}, None),
        ({V2: "16777216000\n"}, 16_777_216_000),
        ({V2: "16777217024\n"}, None),
        ({V2: "16777218048\n"}, None),
        ({V2: "?\n"}, None),
        ({}, None),
    ],
)
def test_the_memory_limit_is_that_of_the_cgroup_below_the_machines(
    tmp_path: Path, files: dict[str, str], limit: int | None
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16384001 kB\nMemFree:         100 kB\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path, meminfo) == limit


def test_a_limit_is_shown_where_the_machine_tells_no_size(tmp_path: Path) -> None:
    (tmp_path / V2).write_text("8000000000\n")
    assert memory_limit(tmp_path, tmp_path / "none") == 8_000_000_000


def test_the_service_shows_its_limits_as_its_use_is_shown(service: Service) -> None:
    shown = {
        name.split('"')[1]: value for name, value in service.metrics().items() if name.startswith("gte_limit{")
    }  # fmt: skip
    settings = read_settings({"GTE_TORCH_THREADS": "1"})
    expected = {
        "cpus": available_cpus(),
        # gte_active_requests and gte_queue_depth are sums over the two workers.
        "threads": 2 * settings.threads,
        "queue_texts": 2 * settings.queue_texts,
        "batch_tokens": settings.batch_tokens,
    }
    if (memory := memory_limit()) is not None:
        expected["memory_bytes"] = memory
    assert shown == expected
