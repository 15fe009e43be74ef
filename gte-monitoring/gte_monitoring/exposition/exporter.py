"""Serves /metrics from a process of its own, so that a hung or dead server can still be seen."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import Metric as Family
from prometheus_client import start_http_server
from prometheus_client.registry import Collector

from gte_monitoring.exposition.process_collector import ProcessCollector
from gte_monitoring.exposition.rendering import exposition_app
from gte_monitoring.exposition.slot_collector import SlotCollector

_log = logging.getLogger(__name__)


class Exposition(Collector):
    """Everything there is to show, or what is asked for by name."""

    def __init__(self, collectors: Sequence[Collector], names: frozenset[str] | None = None) -> None:
        """Show what `collectors` give; with `names` only the metrics or series of these names."""
        self._collectors = collectors
        self._names = names

    def collect(self) -> Iterable[Family]:
        """All metrics, or the named ones."""
        for collector in self._collectors:
            for family in collector.collect():
                if self._names is None or (family := _restricted(family, self._names)).samples:
                    yield family

    def restricted_registry(self, names: Iterable[str]) -> Exposition:
        """Only the metrics or series of these names; what `?name[]=` asks for."""
        return Exposition(self._collectors, frozenset(names))


def exposition(
    directory: Path, others: Mapping[str, int] | None = None, more: Sequence[Collector] = (), *, alone: bool = True
) -> Exposition:
    """What there is to show of the server that has its metric files in a folder.

    Args:
        directory: that folder.
        others: process ids of what else belongs to the server, by name.
        more: what else to show.
        alone: whether nobody else shows this server; see `SlotCollector`.
    """
    return Exposition([SlotCollector(directory, alone=alone), ProcessCollector(directory, others), *more])


def serve(shown: Exposition, port: int, address: str = "0.0.0.0") -> tuple[WSGIServer, threading.Thread]:
    """Serve the metrics on a port of their own, in a thread.

    Args:
        shown: what to serve.
        port: TCP port; 0 takes a free one.
        address: where to listen.

    Returns:
        the server and its thread.

    Raises:
        OSError: the port is taken.
    """
    # What there is now stays: a collection in the middle of a scrape need not go through all modules again.
    gc.collect()
    gc.freeze()
    # It asks a registry for nothing but `collect` and `restricted_registry`.
    server, thread = start_http_server(port, addr=address, registry=shown)
    server.set_app(exposition_app(shown))
    _log.info("metrics on port %d", server.server_port)
    return server, thread


def _restricted(family: Family, names: frozenset[str]) -> Family:
    if family.name in names:
        return family
    restricted = Family(family.name, family.documentation, family.type, family.unit)
    restricted.samples = [sample for sample in family.samples if sample.name in names]
    return restricted
