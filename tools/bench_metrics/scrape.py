"""How long GET /metrics takes, asked as Prometheus asks."""

from __future__ import annotations

import gzip
import http.client
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.bench_metrics.child import Child
from tools.bench_metrics.console import say
from tools.bench_metrics.errors import MeasuringError
from tools.bench_metrics.servers import HOST, SECONDS, WORKERS, exporter, service
from tools.bench_metrics.traffic import one_of_each, send

# What Prometheus 3 sends.
_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
}
_CLIENTS = 4
# Each worker shall have answered all of it, several times.
_ROUNDS_OF_TRAFFIC = 8 * WORKERS
_FIRST_SCRAPES = 10
_PAUSE_SECONDS = 0.005


@dataclass(frozen=True)
class Scrapes:
    """What a number of scrapes took.

    Attributes:
        name: `idle`, `loaded` or `worst`.
        seconds: of each scrape, from the connection to the last byte.
        size: bytes of the last one, unpacked.
        series: in it.
    """

    name: str
    seconds: list[float]
    size: int
    series: int


def measure_service(scrapes: int, memory: Path) -> Iterator[Scrapes]:
    """Scrape the service with four workers after traffic of all tasks: idle, and while clients send."""
    say("scrape: the service with four workers is started")
    with _folder(None) as home, _folder(memory) as metrics, service(home, metrics) as (port, metrics_port):
        connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
        for _ in range(_ROUNDS_OF_TRAFFIC):
            for each in one_of_each():
                if not send(connection, each):
                    raise MeasuringError(f"{each.method} {each.path} got no answer.")
            # The next one may be another worker's.
            connection.close()
        say(f"scrape: {scrapes} times, idle")
        yield _scrape("idle", metrics_port, scrapes)
        with Child("traffic", HOST, str(port)) as traffic:
            say(f"scrape: {scrapes} times under load")
            traffic.ask("start", _CLIENTS)
            found = _scrape("loaded", metrics_port, scrapes)
            sent = int(traffic.ask("stop")[0])
        if not sent:
            raise MeasuringError("the clients sent nothing while /metrics was asked for.")
        yield found


def measure_worst_case(scrapes: int, memory: Path) -> Scrapes:
    """Scrape an exporter whose four workers have counted every task, outcome and span of latency there is."""
    with _folder(memory) as folder, Child("workers", str(folder), "slots", "everything"), exporter(folder) as port:
        say(f"scrape: {scrapes} times, the worst case")
        return _scrape("worst", port, scrapes)


def _scrape(name: str, port: int, scrapes: int) -> Scrapes:
    for _ in range(_FIRST_SCRAPES):
        _one(port)
    seconds: list[float] = []
    for _ in range(scrapes):
        time.sleep(_PAUSE_SECONDS)
        begun = time.perf_counter()
        packed = _one(port)
        seconds.append(time.perf_counter() - begun)
    text = gzip.decompress(packed).decode()
    return Scrapes(name, seconds, len(text.encode()), sum(line[:1] not in {"", "#"} for line in text.splitlines()))


def _one(port: int) -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request("GET", "/metrics", headers=_HEADERS)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise MeasuringError(f"/metrics answered {response.status}.")
    return body


@contextmanager
def _folder(parent: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="metrics-benchmark-", dir=parent) as folder:
        yield Path(folder)
