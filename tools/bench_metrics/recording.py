"""What recording a request costs: the same app in four ways, in turns, without HTTP and through gunicorn."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench_metrics.app import BODY, WAYS, environ_of
from tools.bench_metrics.child import Child
from tools.bench_metrics.console import say
from tools.bench_metrics.errors import MeasuringError
from tools.bench_metrics.servers import served_app

BARE = "bare"
_MEASURED = [way for way in WAYS if way != BARE]
_EVERY = 10
_WARM_UP = 5


@dataclass(frozen=True)
class Recorded:
    """What one way of measuring costs.

    Attributes:
        way: its name in `WAYS`.
        place: where its files are: `memory`, `disk`, or "" for the app that has none.
        micros: microseconds of a request, the median of each round.
        more: microseconds more than the bare app in the same round.
    """

    way: str
    place: str
    micros: list[float] = field(default_factory=list)
    more: list[float] = field(default_factory=list)


def measure_recording(rounds: int, requests: int, places: Mapping[str, Path]) -> list[Recorded]:
    """Measure through the WSGI interface, where HTTP doesn't bury the difference.

    Args:
        rounds: how often each way has its turn.
        requests: of a turn.
        places: the folders to put metric files in, by what they are.
    """
    found = {"": Recorded(BARE, "")}
    found |= {f"{way}-{place}": Recorded(way, place) for place in places for way in _MEASURED}
    with ExitStack() as stack:
        children: dict[str, Child] = {}
        for name, each in found.items():
            folder = stack.enter_context(_folder_in(places[each.place] if each.place else None))
            children[name] = stack.enter_context(Child("turns", environ=environ_of(each.way, folder)))
        for number in _said(rounds, "recording, WSGI"):
            micros = {name: float(children[name].ask(requests)[0]) for name in _in_turn(list(found), number)}
            for name, each in found.items():
                each.micros.append(micros[name])
                each.more.append(micros[name] - micros[""])
    return list(found.values())


def measure_over_http(rounds: int, requests: int, memory: Path) -> list[Recorded]:
    """Measure through gunicorn and HTTP, one client on one connection, with the metric files in memory."""
    found = {way: Recorded(way, "" if way == BARE else "memory") for way in WAYS}
    with ExitStack() as stack:
        connections: dict[str, http.client.HTTPConnection] = {}
        for way in WAYS:
            folder = stack.enter_context(_folder_in(memory))
            connections[way] = stack.enter_context(served_app(way, folder))
            _turn(connections[way], requests)
        for number in _said(rounds, "recording, HTTP"):
            micros = {way: _turn(connections[way], requests) for way in _in_turn(list(found), number)}
            for way, each in found.items():
                each.micros.append(micros[way])
                each.more.append(micros[way] - micros[BARE])
    return list(found.values())


def _turn(connection: http.client.HTTPConnection, requests: int) -> float:
    """The median of the microseconds of some requests, one after the other."""
    for _ in range(_WARM_UP):
        _seconds(connection)
    return 1e6 * statistics.median(_seconds(connection) for _ in range(requests))


def _seconds(connection: http.client.HTTPConnection) -> float:
    begun = time.perf_counter()
    connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    seconds = time.perf_counter() - begun
    if response.status != http.HTTPStatus.OK:
        raise MeasuringError(f"a measured app answered {response.status} over HTTP.")
    return seconds


def _in_turn(names: Sequence[str], number: int) -> list[str]:
    """Another one begins each round."""
    first = number % len(names)
    return [*names[first:], *names[:first]]


def _said(rounds: int, what: str) -> Iterator[int]:
    for number in range(rounds):
        if number % max(1, rounds // _EVERY) == 0:
            say(f"{what}: round {number + 1} of {rounds}")
        yield number


@contextmanager
def _folder_in(parent: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="metrics-benchmark-", dir=parent) as folder:
        yield Path(folder)
