"""Serves an engine over HTTP in its container, where `ask.py` asks it: POST / with texts, seconds and vectors back.

Nothing listens before the engine has loaded. Time is taken around the engine alone, so HTTP costs it nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import torch

from tools.bench.engines import PORT

MODEL = Path("/model")
"""Where every candidate finds the model."""

Encode = Callable[[Sequence[str]], Any]
"""Turns texts into vectors, in their order: a tensor, an array, or a list of them."""


def available_cpus() -> int:
    """CPUs that this container may use, at least 1: its cgroup's limit, or those it is allowed on."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, int(quota) // int(period)))


def serve_engine(load: Callable[[], Encode]) -> None:
    """Load an engine, and answer `{"texts": […], "vectors": bool}` with `{"seconds": …, "vectors": […]}` for ever."""
    torch.set_num_threads(available_cpus())
    encode = load()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        vectors = encode(request["texts"])
        seconds = time.perf_counter() - begun
        wanted = {"vectors": [list(map(float, vector)) for vector in vectors]} if request.get("vectors") else {}
        return {"seconds": seconds, **wanted}

    serve(answer)


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer requests for ever, one after the other and in this thread; what fails is shown in the container's log."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the log for what fails."""

    HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
