"""The page works where a proxy shows the service under a prefix that the service doesn't know of."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin

import pytest

from conftest import Service

PREFIX = "/tools/gte/"


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    """The page's address behind a proxy that takes the prefix off, as `proxy_pass` with a path does."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(PREFIX):
                self.send_error(404)
                return
            answer = service.ask(f"/{self.path.removeprefix(PREFIX)}")
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            self.wfile.write(answer.text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the base class)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_everything_that_the_page_names_is_found_under_the_prefix(address: str) -> None:
    page = fetched(address)
    named = [name for name in re.findall(r'(?:href|src)="([^"#]+)"', page) if ":" not in name]
    assert {"static/page.css", "static/page.js", "openapi.json", "readyz"} <= set(named)
    found = {urljoin(address, name): fetched(urljoin(address, name)) for name in named}
    # And all that its scripts name in turn.
    while (
        more := {
            urljoin(script, name)
            for script, text in found.items()
            if script.endswith(".js")
            for name in re.findall(r'from "(.+?)"', text)
        }
        - found.keys()
    ):
        found |= {script: fetched(script) for script in more}
    scripts = {script: text for script, text in found.items() if script.endswith(".js")}
    assert len(scripts) >= 8
    asked = [place for text in scripts.values() for place in re.findall(r'(?:fetch|new URL)\("(.+?)"', text)]
    assert sorted(asked) == ["predict", "readyz"]
    for name in asked:
        assert urljoin(address, name).startswith(address)
