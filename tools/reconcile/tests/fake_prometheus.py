"""Prometheus' query API for range selectors, over samples that a test makes up."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.reconcile.scrapes import ERRORS, LATENCY, REQUESTS, Scrape

_QUERY = re.compile(r'\{__name__=~"(?P<names>[^"]+)",job="gte-service"\}\[(?P<range>\d+)ms\]')
_SERIES = {
    REQUESTS: ("gte_task_requests_total", "status"),
    ERRORS: ("gte_task_errors_total", "reason"),
    LATENCY: ("gte_task_latency_seconds_count", ""),
}
Labels = tuple[tuple[str, str], ...]  # sorted name and value


class FakePrometheus:
    """Answers over HTTP.

    Attributes:
        series: samples by labels.
        queries: what was asked, in order.
        closed: whether a range holds its first moment, as with Prometheus 2.
        answer: what it answers instead, if not None: HTTP status and body.
    """

    def __init__(self) -> None:
        self.series: dict[Labels, dict[float, float]] = {}
        self.queries: list[str] = []
        self.closed = False
        self.answer: tuple[int, bytes] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def sample(self, name: str, at: float, value: float, **labels: str) -> None:
        """Add a sample."""
        named = {"__name__": name, "job": "gte-service", **labels}
        self.series.setdefault(tuple(sorted(named.items())), {})[at] = value

    def scraped(self, scrapes: list[Scrape]) -> None:
        """Add what scrapes leave behind; a counter that is 0 has samples too."""
        keys = {key for scrape in scrapes for key in scrape.counts}
        for scrape in scrapes:
            instance = scrape.instance
            self.sample("up", scrape.at, 1, instance=instance)
            self.sample("scrape_duration_seconds", scrape.at, scrape.seconds, instance=instance)
            if scrape.counters_start is not None:
                start = scrape.counters_start
                self.sample("gte_counters_start_time_seconds", scrape.at, start, instance=instance)
            self.sample("gte_task_requests_total", scrape.at, 0, instance=instance, task_type="event", status="error")
            for key in keys:
                name, label = _SERIES[key.metric]
                labels = {"task_type": key.task, **({label: key.label} if label else {})}
                self.sample(name, scrape.at, scrape.counts.get(key, 0), instance=instance, **labels)

    def reply(self, target: str) -> tuple[int, bytes]:
        """Status and body."""
        if self.answer:
            return self.answer
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        self.queries.append(asked["query"])
        found = _QUERY.fullmatch(asked["query"])
        assert found, asked
        end = float(asked["time"])
        begin = end - int(found["range"]) / 1000
        result = []
        for labels, samples in self.series.items():
            metric = dict(labels)
            values = [
                [at, f"{value:.17g}"]
                for at, value in sorted(samples.items())
                if (begin <= at if self.closed else begin < at) and at <= end
            ]
            if values and re.fullmatch(found["names"], metric["__name__"]):
                result.append({"metric": metric, "values": values})
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


@contextmanager
def running_prometheus() -> Iterator[FakePrometheus]:
    """A fake that serves on a free port of the loopback address."""
    fake = FakePrometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = fake.reply(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep the output of the tests clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
