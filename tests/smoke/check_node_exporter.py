"""That node-exporter measures the host's memory, processors and root file system."""

from __future__ import annotations

import pytest

from tests.smoke.exposition import Exposition
from tests.smoke.services import Service


@pytest.mark.within(10)
def test_answers_with_its_page(node_exporter: Service) -> None:
    assert "Node Exporter" in node_exporter.get("/").text, "the page isn't node-exporter's"


def test_measures_the_memory_of_the_host(node_exporter: Service) -> None:
    metrics = Exposition(node_exporter.get("/metrics").text)
    total, available = metrics.value("node_memory_MemTotal_bytes"), metrics.value("node_memory_MemAvailable_bytes")
    assert 0 < available <= total, f"{available:g} of {total:g} bytes of memory available: that can't be"


def test_measures_the_processors_of_the_host(node_exporter: Service) -> None:
    metrics = Exposition(node_exporter.get("/metrics").text)
    for mode in ("idle", "user", "system"):
        assert metrics.all("node_cpu_seconds_total", mode=mode), f"no node_cpu_seconds_total of mode {mode}"
    seconds = sum(sample.value for sample in metrics.all("node_cpu_seconds_total"))
    assert seconds > 0, "node_cpu_seconds_total is 0 for every processor"
    metrics.value("node_load1")


def test_measures_the_root_file_system_of_the_host(node_exporter: Service) -> None:
    metrics = Exposition(node_exporter.get("/metrics").text)
    sizes = metrics.all("node_filesystem_size_bytes", mountpoint="/")
    assert sizes, 'no node_filesystem_size_bytes of mountpoint "/": is the host\'s root mounted and named?'
    free = metrics.value("node_filesystem_avail_bytes", **sizes[0].labels)
    assert 0 <= free <= sizes[0].value > 0, f"{free:g} of {sizes[0].value:g} bytes of the root free: that can't be"
