"""Holds the room that the dashboards predict against the load that the service then takes: `make test-room`.

No test of the normal run: it takes about 20 minutes, and nothing else may use the machine. The stack of the demo model
is filled once, so that the cost of full batches is known; at half of that the rooms are read; then the load is stepped
up until 80 % of the capacity are in use.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.stack.running import Stack

BODY = json.dumps({"task_type": "embedding", "input_text": "张三在北京参加了奥运会"}).encode()
CLIENTS = 48
# The windows of the figures are 5 minutes.
SETTLED_SECONDS = 310
STEP_SECONDS = 65
STEP = 1.15
FULL_SHARE = 0.8

FULLEST = 'topk(1, job:gte_use_per_limit:ratio_rate5m{resource=~"slots|cpus|host_cpus"})'
# The same of the last minute, because steps are shorter than 5.
USES_NOW = (
    '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[1m])) - avg(rate(node_cpu_seconds_total{mode="iowait"}[1m]))',
    "sum(rate(gte_inference_busy_seconds_total[1m])) / sum(gte_inference_slots)",
    'sum(rate(gte_process_cpu_seconds_total[1m])) / sum(gte_limit{resource="cpus"})',
)
ANSWERED = 'sum(rate(gte_task_requests_total{status="success"}[1m]))'


@dataclass
class Load:
    """Sends so many requests a second, whether they are answered or not, until it is closed.

    Attributes:
        stack: that is asked.
        rate: requests a second; may be changed at any time.
    """

    stack: Stack
    rate: float

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._next = time.monotonic()
        self._threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _turn(self) -> float:
        with self._lock:
            # What nobody could send in time is not caught up.
            self._next = max(self._next + 1 / self.rate, time.monotonic() - 0.5)
            return self._next

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(self.stack.environ["GTE_PORT"]), timeout=60)
        while not self._over.is_set():
            pause = self._turn() - time.monotonic()
            if pause > 0 and self._over.wait(pause):
                break
            try:
                connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
                connection.getresponse().read()
            except OSError:
                connection.close()
        connection.close()


@contextmanager
def load(stack: Stack, rate: float) -> Iterator[Load]:
    running = Load(stack, rate)
    try:
        yield running
    finally:
        running.close()


def value(stack: Stack, query: str) -> float:
    found = stack.query(query)
    return float(found[0]["value"][1]) if found else 0.0


def test_a_stepped_load_reaches_the_sure_room_and_ends_near_the_likely_one(stack: Stack) -> None:
    with load(stack, 5000) as running:
        # Until a window of the figures holds nothing else: then the cost of full batches is known.
        time.sleep(SETTLED_SECONDS)
        most = value(stack, ANSWERED)
        assert value(stack, "job_revision:gte_capacity_use_per_1000_tokens_when_full:ratio_rate5m") > 0
        running.rate = most / 2
        # Until no window holds the full load any more.
        time.sleep(SETTLED_SECONDS)
        half, used = value(stack, ANSWERED), value(stack, FULLEST)
        sure, likely = (half + value(stack, f"job:gte_room_{kind}:rate5m") for kind in ("sure", "likely"))
        fullest = stack.query(FULLEST)[0]["metric"]["resource"]
        print(f"\nmost {most:.0f}/s; half {half:.0f}/s, {used:.0%} of {fullest} in use")
        print(f"sure {sure:.0f}/s, likely {likely:.0f}/s")
        for step in itertools.count(1):
            running.rate = half * STEP**step
            time.sleep(STEP_SECONDS)
            answered, used = value(stack, ANSWERED), max(value(stack, query) for query in USES_NOW)
            print(f"{running.rate:.0f}/s asked, {answered:.0f}/s answered, {used:.0%} in use")
            if used >= FULL_SHARE or running.rate > 2 * most:
                break
    assert fullest != "slots"
    assert answered >= sure
    assert abs(answered / likely - 1) <= 0.25
