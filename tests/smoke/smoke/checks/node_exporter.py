"""Checks that node-exporter measures the host's memory, processors and root file system."""

from __future__ import annotations

from smoke.answers import require
from smoke.check import Check, Stack
from smoke.deadline import Deadline
from smoke.exposition import Exposition


def _scrape(stack: Stack, deadline: Deadline) -> Exposition:
    return Exposition(stack.at.node_exporter.get("/metrics", deadline).expect(200).text())


def _page(stack: Stack, deadline: Deadline) -> None:
    answer = deadline.until(lambda: stack.at.node_exporter.get("/", deadline).expect(200))
    require("Node Exporter" in answer.text(), f"{answer.asked}: the page isn't node-exporter's")


def _memory(stack: Stack, deadline: Deadline) -> None:
    metrics = _scrape(stack, deadline)
    total = metrics.one("node_memory_MemTotal_bytes").value
    available = metrics.one("node_memory_MemAvailable_bytes").value
    require(0 < available <= total, f"{available:g} of {total:g} bytes of memory available: that can't be")


def _processors(stack: Stack, deadline: Deadline) -> None:
    metrics = _scrape(stack, deadline)
    for mode in ("idle", "user", "system"):
        require(
            bool(metrics.all("node_cpu_seconds_total", mode=mode)),
            f"no node_cpu_seconds_total of mode {mode}",
        )
    seconds = sum(sample.value for sample in metrics.all("node_cpu_seconds_total"))
    require(seconds > 0, "node_cpu_seconds_total is 0 for every processor")
    metrics.one("node_load1")


def _root(stack: Stack, deadline: Deadline) -> None:
    metrics = _scrape(stack, deadline)
    sizes = metrics.all("node_filesystem_size_bytes", mountpoint="/")
    require(bool(sizes), 'no node_filesystem_size_bytes of mountpoint "/": is the host\'s root mounted and named?')
    size = sizes[0].value
    free = metrics.one("node_filesystem_avail_bytes", **sizes[0].labels).value
    require(0 <= free <= size and size > 0, f"{free:g} of {size:g} bytes of the root free: that can't be")


CHECKS = (
    Check("node-exporter", "answers with its page", _page),
    Check("node-exporter", "measures the memory of the host", _memory),
    Check("node-exporter", "measures the processors of the host", _processors),
    Check("node-exporter", "measures the root file system of the host", _root),
)
