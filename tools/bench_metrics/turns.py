"""`python -m tools.bench_metrics.turns`: the app in a process of its own; each line says how many requests."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from tools.bench_metrics.app import BODY, app_of_environment
from tools.bench_metrics.child import answer, orders

FIRST_REQUESTS = 300
# After the other processes had the CPU, the first requests of a turn are slower.
WARM_UP = 20


def main() -> None:
    """Take turns: a line with a number of requests is answered with the median of their microseconds."""
    app = app_of_environment()
    environ = EnvironBuilder(path="/predict", method="POST", content_type="application/json", data=BODY).get_environ()
    _turn(app, environ, FIRST_REQUESTS)
    answer("ready")
    for (requests,) in orders():
        _turn(app, environ, WARM_UP)
        answer(1e6 * statistics.median(_turn(app, environ, int(requests))))


def _turn(app: Flask, environ: dict[str, Any], requests: int) -> list[float]:
    return [_seconds(app, environ | {"wsgi.input": io.BytesIO(BODY)}) for _ in range(requests)]


def _seconds(app: Flask, environ: dict[str, Any]) -> float:
    begun = time.perf_counter()
    response: Iterable[bytes] = app.wsgi_app(environ, _start_response)
    for _ in response:
        pass
    # What a server does in the end; a monitor may count only then.
    getattr(response, "close", lambda: None)()
    return time.perf_counter() - begun


def _start_response(status: str, headers: object, exception: object = None, /) -> Callable[[bytes], object]:
    if status != "200 OK":
        raise RuntimeError(f"the measured app answered {status}")
    # What the app would write by, had it not returned its answer.
    return lambda data: None


if __name__ == "__main__":
    main()
