"""A real web server on loopback that answers as a service does, or as the test wants it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tools.bench.load import Client
from tools.bench.services import OURS_FP32, SERVICES

DIMENSIONS = 3

Answer = Callable[[str], tuple[int, Any]]
"""Status and JSON for a text; None as JSON closes the connection."""


def vector(text: str) -> tuple[int, Any]:
    """The answer of a service that works."""
    return 200, {"result": [1.0, 0.0, float(len(text))]}


class FakeService:
    """The server; it keeps what it was asked, and how many requests and connections there were at a time."""

    def __init__(self, answer: Answer = vector, seconds: float = 0.0) -> None:
        """Answer each request after so many seconds."""
        self.texts: list[str] = []
        self.connections = 0
        self.most_at_a_time = 0
        self._now = 0
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with fake._lock:
                    fake.connections += 1

            def do_POST(self) -> None:
                text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input_text"]
                with fake._lock:
                    fake.texts.append(text)
                    fake._now += 1
                    fake.most_at_a_time = max(fake.most_at_a_time, fake._now)
                time.sleep(seconds)
                status, content = answer(text)
                with fake._lock:
                    fake._now -= 1
                if content is None:
                    self.close_connection = True
                    return
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Nothing: the test's output is enough."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> FakeService:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def client(self, timeout: float = 10.0) -> Client:
        """A client of it."""
        return Client(self.address, SERVICES[OURS_FP32].endpoint, DIMENSIONS, timeout)
