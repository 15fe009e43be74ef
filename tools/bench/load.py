"""A closed loop of HTTP clients: each sends its next text when it has the answer to the last."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.bench.results import Slice

REQUEST_SECONDS = 600.0
"""After so long an answer counts as lost; a slow service shall show its slowness first."""


@dataclass(frozen=True)
class Endpoint:
    """How a service is asked for one vector.

    Attributes:
        path: of the URL.
        body: the JSON for a text.
        vector: finds the vector in the JSON of an answer; what it raises counts as a wrong answer.
    """

    path: str
    body: Callable[[str], Any]
    vector: Callable[[Any], Sequence[float]]


class WrongAnswer(Exception):
    """An answer that is no vector; its text is short and the same for all of its kind, for it is counted by it."""


class Client:
    """One connection, kept open from one request to the next."""

    def __init__(self, address: str, endpoint: Endpoint, dimensions: int, timeout: float = REQUEST_SECONDS) -> None:
        """Connect to `address` (host:port) with the first request; a vector has so many dimensions."""
        self._connection = http.client.HTTPConnection(address, timeout=timeout)
        self._endpoint = endpoint
        self._dimensions = dimensions

    def ask(self, text: str) -> tuple[float, list[float]]:
        """Seconds until the whole answer was there, and the vector.

        Raises:
            WrongAnswer: it is no vector, or there was none.
        """
        body = json.dumps(self._endpoint.body(text)).encode()
        begun = time.perf_counter()
        try:
            self._connection.request("POST", self._endpoint.path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise WrongAnswer(type(error).__name__) from error
        seconds = time.perf_counter() - begun
        if response.status != http.HTTPStatus.OK:
            raise WrongAnswer(f"status {response.status}")
        try:
            vector = [float(number) for number in self._endpoint.vector(json.loads(content))]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise WrongAnswer("no vector in the answer") from error
        if len(vector) != self._dimensions:
            raise WrongAnswer(f"a vector of {len(vector)} numbers")
        return seconds, vector

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()


@dataclass
class _Tally:
    lock: threading.Lock = field(default_factory=threading.Lock)
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def run_slice(clients: Sequence[Client], texts: Sequence[str], number: int) -> Slice:
    """Send each text once, as many at a time as there are clients.

    Args:
        clients: they are closed in the end.
        texts: taken in their order by whoever is free.
        number: of the round.
    """
    tally = _Tally()
    waiting = iter(texts)
    started = threading.Barrier(len(clients) + 1)
    threads = [
        threading.Thread(target=_send, args=(client, waiting, tally, started), daemon=True) for client in clients
    ]
    for thread in threads:
        thread.start()
    started.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    return Slice(number, len(clients), seconds, tuple(tally.latencies), dict(tally.errors))


def _send(client: Client, waiting: Iterator[str], tally: _Tally, started: threading.Barrier) -> None:
    started.wait()
    while True:
        with tally.lock:
            text = next(waiting, None)
        if text is None:
            break
        try:
            seconds, _ = client.ask(text)
        except WrongAnswer as error:
            with tally.lock:
                tally.errors[str(error)] += 1
        else:
            with tally.lock:
                tally.latencies.append(seconds)
    client.close()
