"""How long GET /metrics takes, asked as Prometheus asks."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from tools.bench_metrics.processes import Child, folder
from tools.bench_metrics.report import Row
from tools.bench_metrics.workers import WORKERS, everything, workers
from tools.cli import NoAnswerError, ToolError, ask, percentile, say
from tools.server import HOST, free_port, server

MOST_MILLIS = 35.0
# What Prometheus 3 sends.
_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
}
_SECONDS = 60.0
_CLIENTS = 4
# So that each worker has answered every request several times.
_ROUNDS_OF_TRAFFIC = 8 * WORKERS
_FIRST_SCRAPES = 10
_PAUSE_SECONDS = 0.005
# The service knows this key only, so requests without it are refused.
_API_KEY = "benchmark-0123456789abcdef0123456789abcdef"
_MOST_BODY_BYTES = 4096


def measure(scrapes: int, memory: Path) -> Iterator[Row]:
    """Scrape the service with four workers after traffic of all tasks, idle and under load; then the worst case.

    Args:
        scrapes: of each kind.
        memory: the folder for metric files.
    """
    yield Row("GET /metrics as Prometheus asks: P50, P99")
    title = f"{WORKERS} workers, all tasks"
    say("scrape: the service with four workers starts")
    with folder() as home, folder(memory) as metrics, _service(home, metrics) as (port, metrics_port):
        for _ in range(_ROUNDS_OF_TRAFFIC):
            # A new connection, which may reach another worker.
            with _connection(port) as connection:
                _send_all(connection)
        yield _row(f"{title}, idle", metrics_port, scrapes, MOST_MILLIS)
        with Child(_clients, port) as clients:
            yield _row(f"{title}, while {_CLIENTS} clients send", metrics_port, scrapes)
            if not clients.ask("how many rounds"):
                raise ToolError("the clients got no answer while /metrics was scraped, so the figure is wrong.")
    with (
        folder(memory) as metrics, workers(metrics, everything()),
        exporter(metrics) as metrics_port,
    ):  # fmt: skip
        yield _row(f"{WORKERS} workers, every label combination", metrics_port, scrapes)


def scrape(port: int) -> tuple[float, str]:
    """Ask for /metrics; returns the seconds from the connection to the last byte, and the text.

    Raises:
        NoAnswerError: there is none.
    """
    begun = time.perf_counter()
    with _connection(port) as connection:
        connection.request("GET", "/metrics", headers=_HEADERS)
        response = connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - begun
    if response.status != http.HTTPStatus.OK:
        raise NoAnswerError(f"/metrics answered {response.status}.")
    return seconds, gzip.decompress(body).decode()


@contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    try:
        with closing(http.client.HTTPConnection(HOST, port, timeout=_SECONDS)) as connection:
            yield connection
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"nothing answers on port {port}: {error!r}.") from error


@contextmanager
def exporter(metrics: Path) -> Iterator[int]:
    """The exporter of a folder, as gunicorn's configuration for an existing app starts it; yields its port."""
    port = free_port()
    with server(["gte_monitoring", str(metrics), HOST, str(port)], lambda: scrape(port), {}):
        yield port


def _clients(port: int) -> Callable[[object], int]:
    """In a child: clients that send without a pause; returns what says how many rounds have been answered."""
    rounds: list[None] = []

    def send() -> None:
        while True:
            with suppress(NoAnswerError), _connection(port) as connection:
                while True:
                    _send_all(connection)
                    rounds.append(None)

    for _ in range(_CLIENTS):
        threading.Thread(target=send, daemon=True).start()
    return lambda _: len(rounds)


def _row(title: str, port: int, scrapes: int, target: float | None = None) -> Row:
    say(f"scrape: {scrapes} times, {title}")
    for _ in range(_FIRST_SCRAPES):
        _, text = scrape(port)
    millis: list[float] = []
    for _ in range(scrapes):
        time.sleep(_PAUSE_SECONDS)
        seconds, text = scrape(port)
        millis.append(1000 * seconds)
    series = sum(not line.startswith("#") for line in text.splitlines())
    p50, p99 = percentile(millis, 0.5), percentile(millis, 0.99)
    return Row(title, f"{p50:.1f} ms, {p99:.1f} ms; {series:,} series, {len(text.encode()):,} bytes", p99, target, "ms")


@contextmanager
def _service(home: Path, metrics: Path) -> Iterator[tuple[int, int]]:
    """`gte-service serve` as the container runs it, with the demo model; yields its port and its exporter's."""
    port, metrics_port = free_port(), free_port()
    keys = home / "keys"
    keys.write_text(f"{_API_KEY}\n", encoding="ascii")

    def check() -> None:
        # Requests that are refused because it is not ready have series too.
        with _connection(port) as connection:
            _send_all(connection)
        if (state := ask(f"http://{HOST}:{port}/readyz").body["status"]) != "ready":
            raise NoAnswerError(f"the service is {state}.")

    settings = {
        "GTE_MODEL": "builtin:lexical",
        "GTE_MODELS_HOME": f"{home}/models",
        "GTE_RUN_DIR": f"{home}/run",
        "GTE_METRICS_DIR": f"{metrics}",
        "GTE_LISTEN_PORT": f"{port}",
        "GTE_METRICS_LISTEN_PORT": f"{metrics_port}",
        "GTE_TORCH_THREADS": "1",
        "GTE_WORKERS": f"{WORKERS}",
        "GTE_API_KEYS_FILE": f"{keys}",
        "GTE_MAX_BODY_BYTES": f"{_MOST_BODY_BYTES}",
    }
    with server(["gte_service", "serve"], check, settings):
        yield port, metrics_port


@cache
def _requests(port: int) -> list[tuple[str, str, object, bool]]:
    """Each task right, wrong and without a key, each other refusal, and the paths that are no tasks.

    Returns:
        method, path, body for JSON or None, and whether the API key is sent.
    """
    predict = ask(f"http://{HOST}:{port}/openapi.json").body["paths"]["/predict"]["post"]
    examples = predict["requestBody"]["content"]["application/json"]["examples"]
    paths = ("/", "/healthz", "/readyz", "/openapi.json", "/v1/models", "/nowhere", "/predict")
    return [
        *(("POST", "/predict", example["value"], True) for example in examples.values()),
        *(("POST", "/predict", {"task_type": name, "input_text": 7}, True) for name in examples),
        *(("POST", "/predict", example["value"], False) for example in examples.values()),
        ("POST", "/predict", {"task_type": "nonsense", "input_text": "x"}, True),
        ("POST", "/predict", {"task_type": "embedding", "input_text": "x" * _MOST_BODY_BYTES}, True),
        ("POST", "/predict", "not an object", True),
        ("POST", "/v1/embeddings", {"input": ["x", "y"]}, True),
        ("POST", "/v1/embeddings", {}, True),
        *(("GET", path, None, True) for path in paths),
        ("BREW", "/predict", None, True),
    ]


def _send_all(connection: http.client.HTTPConnection) -> None:
    """Send each request once."""
    for method, path, body, key in _requests(connection.port):
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {_API_KEY}"} if key else {})
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        connection.getresponse().read()
