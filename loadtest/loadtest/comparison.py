"""Compares what the client and Prometheus counted: requests by task and status, and how many were slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadtest.histogram import Histogram
from loadtest.prometheus import Reading
from loadtest.wrk import ClientFigures

SHARES = (0.50, 0.95, 0.99)


@dataclass(frozen=True)
class Count:
    """One count of requests, by the client and by Prometheus.

    Attributes:
        task: the task.
        status: the value of the label `status`.
        client: answers that the client read.
        server: by how much the counter rose.
        most: what it may have risen by: the server may have counted requests whose answers the client didn't read.
    """

    task: str
    status: str
    client: int
    server: float
    most: int

    @property
    def agrees(self) -> bool:
        """Whether the server counted what the client did, apart from what was in flight at the end."""
        return self.client <= self.server <= self.most


@dataclass(frozen=True)
class Tail:
    """How many requests were slow, by the client and by the server's histogram.

    The server is done with a request before its client has the answer. So of the requests that the client saw
    answered, no more can have taken the server longer than a bound than took the client longer than it; and
    what was in flight at the end may add to that.

    Attributes:
        share: the percentile that the bound was chosen by.
        bound: the first bound of the histogram that isn't below the client's percentile, in seconds.
        server: requests that took the server longer.
        most: as many as can have.
    """

    share: float
    bound: float
    server: float
    most: int

    @property
    def agrees(self) -> bool:
        """Whether the histogram is possible."""
        return self.server <= self.most


def server_status(outcome: str) -> str:
    """The value of the label `status` for what a client saw, for example `200` or `503`."""
    code = int(outcome.split(maxsplit=1)[0])
    return "success" if code < 400 else "invalid" if code < 500 else "error"


def unread_at_most(client: ClientFigures, connections: int) -> int:
    """How many requests the server may have counted whose answers the client didn't read.

    wrk leaves at the end without waiting for what is in flight, at most one request on each connection; and a
    connection that broke before the answer was read has cost one request too.
    """
    return connections + client.socket_errors.get("read", 0)


def compare_counts(figures: ClientFigures, before: Reading, after: Reading, unread_most: int) -> list[Count]:
    """One count for each task and status that occurred on either side."""
    client: Counter[tuple[str, str]] = Counter()
    for (task, outcome), count in figures.completed.items():
        client[task, server_status(outcome)] += count
    rises = rise(before.requests, after.requests)
    sent = {task for task, _ in client}
    return [
        Count(task, status, client[task, status], rises.get((task, status), 0.0), most)
        for task, status in sorted({*client, *rises})
        # What was not read is of a task that was sent; no other counter may move at all.
        for most in [client[task, status] + (unread_most if task in sent else 0)]
    ]


def unread(counts: list[Count]) -> float:
    """How many requests the server counted whose answers the client didn't read."""
    return sum(count.server - count.client for count in counts)


def rise(
    before: Mapping[tuple[str, str], float], after: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], float]:
    """By how much each counter changed; those that didn't are left out."""
    changes = {key: after.get(key, 0.0) - before.get(key, 0.0) for key in {*before, *after}}
    return {key: change for key, change in changes.items() if change}


def server_latency(before: Reading, after: Reading) -> dict[str, Histogram]:
    """The latencies of the run by task, for the tasks that have any."""
    empty = Histogram({})
    runs = {task: histogram.since(before.latency.get(task, empty)) for task, histogram in after.latency.items()}
    return {task: histogram for task, histogram in runs.items() if histogram.total}


def compare_tails(client: ClientFigures, server: Histogram) -> Iterator[Tail]:
    """One tail for each of SHARES; nothing when no request was answered in time."""
    if not client.measured.total:
        return
    in_flight = max(0, round(server.total) - client.measured.total)
    for share in SHARES:
        bound, slower = server.above(client.measured.percentile(share) / 1e6)
        yield Tail(share, bound, slower, client.measured.above(bound * 1e6) + in_flight)
