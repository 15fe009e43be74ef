"""A load that fails is tried again, and one that hangs is seen and ended."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import Service, wait_for
from gte_service.serving import health
from gte_service.serving.health import check
from gte_service.settings import read_settings


def start(new_service: Callable[..., Service], lexical_source: Path, **environ: str) -> Service:
    """A ready service with one worker and prepared files of its own."""
    service = new_service(GTE_MODEL_DIR=str(lexical_source), GTE_WORKERS="1", **environ)
    service.wait_until("ready")
    return service


def reload(service: Service) -> None:
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)


def prepared(service: Service) -> Path:
    (folder,) = (service.home / "models" / "prepared").glob("[!.]*")
    return folder


def test_a_worker_whose_load_failed_tries_again(new_service: Callable[..., Service], lexical_source: Path) -> None:
    service = start(new_service, lexical_source)
    vocabulary = prepared(service) / "vocab.txt"
    content = vocabulary.read_bytes()
    vocabulary.write_bytes(content[:1000])
    reload(service)
    detail = service.wait_until("failed")["detail"]
    assert "the file is cut off" in detail or "lacks" in detail
    assert "Next try in" in detail
    vocabulary.write_bytes(content)
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200
    assert service.log.read_text().count("the model can't be loaded") == 1
    assert service.metrics()["gte_worker_restarts_total"] == 1


def test_what_was_prepared_and_is_gone_is_prepared_again(
    new_service: Callable[..., Service], lexical_source: Path
) -> None:
    service = start(new_service, lexical_source)
    shutil.rmtree(service.home / "models")
    reload(service)
    service.wait_until("failed")
    # The preparer runs again half a minute after it began, and the worker looks again within another one.
    service.wait_until("ready", 120)
    assert service.predict("embedding", "天气").status == 200


def test_a_worker_whose_load_hangs_is_replaced(new_service: Callable[..., Service], lexical_source: Path) -> None:
    service = start(new_service, lexical_source, GTE_HANG_SECONDS="1")
    file = prepared(service) / "prepared.json"
    content = file.read_bytes()
    file.unlink()
    # Whoever opens it waits for somebody who writes.
    os.mkfifo(file)
    reload(service)
    wait_for(lambda: "loading the model has hung for over 2 s" in service.log.read_text(), "the log says so", 30)
    file.unlink()
    file.write_bytes(content)
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200


@pytest.fixture
def state() -> Iterator[list[str]]:
    """The state that a service at port `state[1]` says it is in."""
    said = ["loading", ""]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(f'{{"status": "{said[0]}", "detail": "the workers are loading the model"}}'.encode())

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    said[1] = str(server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield said
    server.shutdown()
    server.server_close()


def test_the_health_check_waits_for_a_download_but_not_for_a_load_that_hangs(
    state: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "UNREACHABLE_SECONDS", 0.0)
    settings = read_settings({"GTE_LISTEN_PORT": state[1], "GTE_HANG_SECONDS": "1"})
    state[0] = "downloading"
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check, settings)
        try:
            with pytest.raises(TimeoutError):
                checked.result(4)
            state[0] = "loading"
            is_ready, description = checked.result(10)
        finally:
            # Ends a check that goes on waiting.
            state[0] = "failed"
    assert not is_ready
    assert "for over 2 s: it hangs" in description


def test_the_health_check_asks_past_the_proxy_that_docker_puts_into_every_container(
    state: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "UNREACHABLE_SECONDS", 0.0)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    state[0] = "ready"
    assert check(read_settings({"GTE_LISTEN_PORT": state[1]}))[0]
