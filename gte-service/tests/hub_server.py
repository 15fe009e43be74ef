"""A ModelScope hub on loopback: the two addresses that its own client asks for a model, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

MODEL = "iic/nlp_gte_sentence-embedding_chinese-large"


class Hub:
    """Serves the files of a folder as the model above.

    Attributes:
        asked: path and Range header of each request so far.
        stop_after: bytes after which the weights stop coming, None for all of them.
        damaged: whether the weights arrive with wrong content.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        self.stop_after: int | None = None
        self.damaged = False
        self.release = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def downloads(self, name: str) -> list[str | None]:
        """The Range header of each request for a file."""
        return [span for path, span in self.asked if f"FilePath={name}" in path]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.path, request.headers.get("Range")))
        parts = urlsplit(request.path)
        query = parse_qs(parts.query)
        if parts.path == f"/api/v1/models/{MODEL}/repo/files":
            self._send(request, 200, json.dumps({"Code": 200, "Success": True, "Data": {"Files": self._listing()}}))
        elif parts.path == f"/api/v1/models/{MODEL}/repo" and (self.folder / query["FilePath"][0]).is_file():
            self._send_file(request, self.folder / query["FilePath"][0])
        else:
            self._send(request, 404, json.dumps({"Code": 10010205001, "Success": False, "Message": "no such thing"}))

    def _listing(self) -> list[dict[str, object]]:
        return [
            {
                "Path": path.relative_to(self.folder).as_posix(),
                "Type": "blob",
                "Size": path.stat().st_size,
                "Sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        ]

    def _send_file(self, request: BaseHTTPRequestHandler, path: Path) -> None:
        content = path.read_bytes()
        is_weights = path.name == "pytorch_model.bin"
        if is_weights and self.damaged:
            content = content[:-8] + b"damaged!"
        span = request.headers.get("Range")
        start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
        request.send_response(206 if span else 200)
        request.send_header("Content-Length", str(len(content) - start))
        if span:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        if is_weights and self.stop_after is not None and start < self.stop_after:
            request.wfile.write(content[start : self.stop_after])
            request.wfile.flush()
            self.release.wait(60)
            request.close_connection = True
            return
        request.wfile.write(content[start:])

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, text: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text.encode())))
        request.end_headers()
        request.wfile.write(text.encode())
