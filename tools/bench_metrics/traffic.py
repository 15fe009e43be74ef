"""`python -m tools.bench_metrics.traffic HOST PORT`: requests of all tasks, right ones and wrong ones."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from gte_service.tasks.registry import TASKS
from tools.bench_metrics.child import answer, orders

# The service of the benchmark knows this one key only, so who sends none is refused.
API_KEY = "benchmark-0123456789abcdef0123456789abcdef"
MOST_BODY_BYTES = 4096
_SECONDS = 30.0
_JSON = {"Content-Type": "application/json"}
_KNOWN = _JSON | {"Authorization": f"Bearer {API_KEY}"}


class Sent(NamedTuple):
    """A request."""

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]


def one_of_each() -> Iterator[Sent]:
    """Each task right and wrong, each way of being refused, and the paths that are no tasks."""
    for task in TASKS.values():
        yield _predict(task.example)
        yield _predict({"task_type": task.name, "input_text": 7})
        yield Sent("POST", "/predict", json.dumps(task.example).encode(), _JSON)
    yield _predict({"task_type": "nonsense", "input_text": "x"})
    yield _predict({"task_type": "embedding", "input_text": "x" * MOST_BODY_BYTES})
    yield Sent("POST", "/predict", b"{", _KNOWN)
    yield Sent("POST", "/v1/embeddings", json.dumps({"input": ["x", "y"]}).encode(), _KNOWN)
    yield Sent("POST", "/v1/embeddings", b"{}", _KNOWN)
    for path in ("/", "/healthz", "/readyz", "/openapi.json", "/v1/models", "/nowhere", "/predict"):
        yield Sent("GET", path, None, _KNOWN)
    yield Sent("BREW", "/predict", None, _KNOWN)


def send(connection: http.client.HTTPConnection, each: Sent) -> int:
    """Send a request; returns the status, 0 where there was no answer."""
    try:
        connection.request(each.method, each.path, each.body, each.headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return response.status


def _predict(body: object) -> Sent:
    return Sent("POST", "/predict", json.dumps(body).encode(), _KNOWN)


def main(host: str, port: int) -> None:
    """`start N` makes N clients send without a pause, `stop` ends them and is answered with how many they sent."""
    answer("ready")
    stopped, sent, clients = threading.Event(), [0], list[threading.Thread]()

    def keep_sending() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
        while not stopped.is_set():
            for each in one_of_each():
                send(connection, each)
                sent[0] += 1
                if stopped.is_set():
                    break
        connection.close()

    for order, *words in orders():
        if order == "start":
            clients = [threading.Thread(target=keep_sending, daemon=True) for _ in range(int(words[0]))]
            for client in clients:
                client.start()
            answer("started")
        else:
            stopped.set()
            for client in clients:
                client.join()
            answer(sent[0])


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1], int(sys.argv[2]))
