"""What recording a request costs: the same small app with different instrumentation, interleaved."""

from __future__ import annotations

import io
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from flask import Flask, Response, jsonify, request
from prometheus_flask_exporter.multiprocess import GunicornInternalPrometheusMetrics
from werkzeug.test import EnvironBuilder, run_wsgi_app

from gte_monitoring import TaskMonitor
from gte_monitoring.recording.slot_setup import join_metrics
from gte_service.serving.inference_recorder import InferenceRecorder
from tools.bench_metrics.processes import Child, folder
from tools.bench_metrics.report import Row
from tools.bench_metrics.workers import write_pid_files
from tools.cli import percentile, say

MOST_MICROS = 100.0
_BARE = ("bare", "")
_TITLES = {
    "flask-exporter": "prometheus_flask_exporter, multiprocess",
    "monitor": "TaskMonitor(app)",
    "service": "all that the service records",
}
_BODY = json.dumps({"task_type": "embedding", "input_text": "张三在北京参加了奥运会"}).encode()
FIRST_REQUESTS = 300
# After other processes had the CPU, the first requests of a round are slower.
WARM_UP = 20
_REPORTS = 10


def measure(rounds: int, requests: int, places: Mapping[str, Path]) -> Iterator[Row]:
    """Time each app in a process of its own, all of them in each round, through the WSGI interface.

    HTTP would bury the difference.

    Args:
        rounds: each gives one difference to the bare app.
        requests: of each app in a round; their median counts.
        places: the folders for metric files, by what they are.
    """
    apps = [_BARE, *((name, place) for place in places for name in _TITLES)]
    micros: dict[tuple[str, str], list[float]] = {app: [] for app in apps}
    with ExitStack() as stack:
        children: dict[tuple[str, str], Child] = {}
        for name, place in apps:
            files = stack.enter_context(folder(places.get(place)))
            children[name, place] = stack.enter_context(Child(timed_app, name, files))
        for number in range(rounds):
            if number % max(1, rounds // _REPORTS) == 0:
                say(f"recording: round {number + 1} of {rounds}")
            # Another app begins each round.
            first = number % len(apps)
            for app in apps[first:] + apps[:first]:
                micros[app].append(children[app].ask(requests))
    yield Row("Recording POST /predict: median of a request, and how much more than the bare app (quartiles)")
    bare = micros.pop(_BARE)
    yield Row("no instrumentation", f"{statistics.median(bare):.1f} µs")
    for (name, place), measured in micros.items():
        more = [ours - theirs for ours, theirs in zip(measured, bare, strict=True)]
        median = statistics.median(more)
        quartiles = f"{percentile(more, 0.25):+.1f} to {percentile(more, 0.75):+.1f}"
        figures = f"{statistics.median(measured):.1f} µs, {median:+.1f} ({quartiles})"
        target = None if name == "flask-exporter" else MOST_MICROS
        yield Row(f"{_TITLES[name]}, files {place}", figures, median, target, "µs")


def timed_app(name: str, files: Path) -> Callable[[int], float]:
    """In a child: an app with its metric files in a folder; returns what gives the median µs of so many requests."""
    app = Flask("measured")
    record = _instrument(app, name, files)

    @app.post("/predict")
    def predict() -> Response:
        body = request.get_json()
        record()
        return jsonify(result=[0.25, 0.5], task_type=body["task_type"])

    environ = EnvironBuilder(path="/predict", method="POST", content_type="application/json", data=_BODY).get_environ()

    def micros() -> float:
        sent = environ | {"wsgi.input": io.BytesIO(_BODY)}
        begun = time.perf_counter()
        # Buffered: the answer is closed too, as a server does in the end; a monitor may count only then.
        _, status, _ = run_wsgi_app(app.wsgi_app, sent, buffered=True)
        seconds = time.perf_counter() - begun
        if status != "200 OK":
            raise RuntimeError(f"the measured app answered {status}")
        return 1e6 * seconds

    def median_micros(requests: int) -> float:
        return statistics.median([micros() for _ in range(WARM_UP + requests)][WARM_UP:])

    median_micros(FIRST_REQUESTS)
    return median_micros


def _instrument(app: Flask, name: str, files: Path) -> Callable[[], None]:
    """Measure the app; returns what its route calls to have more recorded."""
    if name == "service":
        join_metrics(files)
        recorder = InferenceRecorder()
        return partial(_record_as_the_service, TaskMonitor(app, recorder=recorder, task_of=None), recorder)
    if name == "monitor":
        os.environ["GTE_METRICS_DIR"] = str(files)
        TaskMonitor(app)
    elif name == "flask-exporter":
        write_pid_files(files)
        GunicornInternalPrometheusMetrics(app)
    return lambda: None


def _record_as_the_service(monitor: TaskMonitor, recorder: InferenceRecorder) -> None:
    """What the service's API and its model call for a request whose text is computed alone."""
    monitor.task_is("embedding")
    monitor.phase("tokenize", 0.0004)
    recorder.queue_depth(1)
    recorder.queue_depth(0)
    recorder.batch(1, 14, 0.012)
    monitor.phase("queue", 0.0001)
    monitor.phase("inference", 0.012)
    monitor.volume(14, 0, 14)
    monitor.phase("postprocess", 0.0008)
