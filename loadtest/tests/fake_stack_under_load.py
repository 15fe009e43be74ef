"""A service that counts its requests, and a Prometheus that shows the counts, in one small HTTP server.

It exists to make the figures wrong on purpose: the comparison is what is tested with it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, float("inf"))
READY = {"status": "ready", "model": "builtin:lexical", "revision": "0123456789ab", "demo": True}
# status, content
Reply = tuple[int, Any]
Samples = list[tuple[dict[str, str], float]]


class FakeStack:
    """Serves both on a free port of the loopback address.

    Attributes:
        requests: the counters by task and status.
        errors: the counters by task and reason.
        bodies: the requests that came.
        authorizations: what they had in the header of that name, and how many had it.
        status: what each request is answered with, by its number from 1.
        delay: seconds before the answer, by its number from 1.
        ready: what /readyz answers.
        on_scrape: is called before each scrape.
        dead: whether Prometheus has lost its target.
        former: series by instance that a query gets too unless it names the replicas: their targets have gone.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.latency: dict[str, Counter[float]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.authorizations: Counter[str | None] = Counter()
        self.status: Callable[[int], int] = lambda number: 200
        self.delay: Callable[[int], float] = lambda number: 0.0
        self.ready: Reply = (200, READY)
        self.on_scrape: Callable[[], None] = lambda: None
        self.dead = False
        self.former: Samples = []
        self.active = 0
        self._clock = 1000.0
        self._lock = threading.Lock()
        self._queries: dict[str, Callable[[], Samples]] = {
            "vector(time())": self._scrape,
            "min by (instance)": lambda: [] if self.dead else [({"instance": "gte-service-1"}, self._clock - 1)],
            "sum(gte_active_requests": lambda: [({}, self.active)],
            "sum by (task_type, le)": self._buckets,
            "sum by (task_type, status)": lambda: _by("status", self.requests),
            "sum by (task_type, reason)": lambda: _by("reason", self.errors),
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Ends the server and frees its port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """The settings of a load test of this stack."""
        return {"LOADTEST_TARGET_URL": self.url, "LOADTEST_PROMETHEUS_URL": self.url}

    def count(self, task: str, status: int, seconds: float) -> None:
        """Counts a request as gte-service would."""
        with self._lock:
            self.requests[task, "success" if status < 400 else "invalid" if status < 500 else "error"] += 1
            if status >= 400:
                self.errors[task, "internal"] += 1
            self.latency.setdefault(task, Counter())[seconds] += 1

    def predict(self, body: bytes) -> Reply:
        """POST /predict."""
        begun = time.perf_counter()
        request = json.loads(body)
        with self._lock:
            self.bodies.append(request)
            number = len(self.bodies)
        time.sleep(self.delay(number))
        status = self.status(number)
        self.count(request["task_type"], status, time.perf_counter() - begun)
        if status != 200:
            return status, {"error": {"code": "internal"}}
        return 200, {"result": [1.0], "task_type": request["task_type"]}

    def query(self, asked: dict[str, str]) -> Reply:
        """GET /api/v1/query, for the few queries that the load test makes. Each look at the clock is a scrape."""
        with self._lock:
            for start, answer in self._queries.items():
                if asked["query"].startswith(start):
                    named = "instance=~`gte\\-service\\-1`" in asked["query"] or start == "vector(time())"
                    return vector(answer() + ([] if named else self.former))
            end = float(asked["time"])
            values = [[end - 4, "10"], [end - 2, "30"]]
            return data({"resultType": "matrix", "result": [{"metric": {}, "values": values}]})

    def _scrape(self) -> Samples:
        self._clock += 5
        self.on_scrape()
        return [({}, self._clock)]

    def _buckets(self) -> Samples:
        return [
            (
                {"task_type": task, "le": str(bound).replace("inf", "+Inf")},
                sum(n for t, n in seen.items() if t <= bound),
            )
            for task, seen in self.latency.items()
            for bound in BOUNDS
        ]

    def _handler(stack) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # wrk keeps its connections; without this each answer waits for the kernel's delayed ACK.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/readyz":
                    self._reply(stack.ready)
                elif parts.path == "/api/v1/targets":
                    labels = [{"job": job, "instance": f"{job}-1"} for job in ("gte-service", "prometheus")]
                    self._reply(data({"activeTargets": [{"labels": each} for each in labels]}))
                else:
                    self._reply(stack.query(dict(parse_qsl(parts.query))))

            def do_POST(self) -> None:
                stack.authorizations[self.headers["Authorization"]] += 1
                self._reply(stack.predict(self.rfile.read(int(self.headers["Content-Length"]))))

            def _reply(self, reply: Reply) -> None:
                body = json.dumps(reply[1]).encode()
                try:
                    self.send_response(reply[0])
                    self.send_header("X-Request-ID", self.headers.get("X-Request-ID", "none"))
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    # wrk has left.
                    self.close_connection = True

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return

            def log_message(self, *_: Any) -> None:
                """Keeps the output of the tests clean."""

        return Handler


def _by(label: str, counters: Counter[tuple[str, str]]) -> Samples:
    return [({"task_type": task, label: value}, count) for (task, value), count in counters.items()]


def vector(samples: Samples) -> Reply:
    """An instant vector as Prometheus writes it."""
    result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in samples]
    return data({"resultType": "vector", "result": result})


def data(content: Any) -> Reply:
    """A success of Prometheus' API."""
    return 200, {"status": "success", "data": content}
