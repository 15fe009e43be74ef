"""Serves a fake stack over HTTP on the loopback address."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fake_stack import FakeStack

from smoke.check import Stack
from smoke.settings import read_addresses


class Server:
    """Serves a fake stack on a free port of the loopback address."""

    def __init__(self, fake: FakeStack) -> None:
        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                status, kind, content = fake.answer(self.command, self.path, body, self.headers.get("Accept", ""))
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _reply  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: Any) -> None:
                """Keeps the output of the tests clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Ends the server and frees its port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """The settings of a smoke test of this stack."""
        folders = {
            "SMOKE_GTE_URL": "gte",
            "SMOKE_GTE_METRICS_URL": "gte-metrics",
            "SMOKE_PROMETHEUS_URL": "prometheus",
            "SMOKE_ALERTMANAGER_URL": "alertmanager",
            "SMOKE_ALERT_INBOX_URL": "inbox",
            "SMOKE_NODE_EXPORTER_URL": "node",
            "SMOKE_GRAFANA_URL": "grafana",
        }
        return {variable: f"{self.url}/{folder}" for variable, folder in folders.items()}

    def stack(self) -> Stack:
        """The stack as the checks know it."""
        return Stack(read_addresses(self.environment()), frozenset(), "test", 0.0)
