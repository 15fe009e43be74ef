"""Apps that the monitor does not expect: wrapped, with metrics of their own, without Flask, or on a taken port."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_app import BIND, LINE, MEASURED, ONE_LINE, Clients, Start, source_of, starting

from conftest import wait_for
from gte_monitoring.processes.procfs import read_figures

PROXIED = (
    ("app.wsgi_app = ProxyFix(app.wsgi_app)", "app = ProxyFix(ProxyFix(app))"),
    ("app = ProxyFix(app.wsgi_app)",),
)
OWN_METRICS = source_of(
    "from flask import got_request_exception",
    "from prometheus_client import Counter, Gauge, Histogram",
    "Counter('gte_task_requests_total', 'Mine.', ['task_type']).labels('qa').inc(7)",
    "Histogram('gte_task_latency_seconds', 'Mine.').observe(3)",
    "Gauge('gte_workers', 'Mine.').set(99)",
    "Gauge('gte_active_requests', 'Mine.', ['task_type']).labels('qa').set(99)",
    "Histogram('gte_phase_seconds', 'Mine.', ['phase']).labels('inference').observe(3)",
    "failures = Counter('flask_http_request_exceptions_total', 'Mine.', ['method', 'status'])",
    "got_request_exception.connect(lambda *_, **__: failures.labels('POST', '500').inc(), app, weak=False)",
    "Gauge('flask_exporter_info', 'That of another library.', ['version']).labels('0.23').set(1)",
    "orders = Counter('orders_total', 'Orders.')",
    "@app.post('/orders')",
    "def order():",
    "    orders.inc()",
    "    return 'ordered'",
)
OWN_ROUTE = ("@app.get('/metrics')", "def metrics():", "    return 'of my own'")
NO_FLASK = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer"]
"""
# Only these, and what comes with Python, can be imported.
NOTHING_ELSE = """
import sys

ALLOWED = {
    "flask", "werkzeug", "jinja2", "markupsafe", "click", "itsdangerous", "blinker", "gunicorn", "prometheus_client",
    "gte_monitoring", "app", "stand_in", "own",
}

class Nothing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        first = name.partition(".")[0]
        if first not in ALLOWED and first not in sys.stdlib_module_names and first[0] != "_":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starting(tmp_path)


@pytest.mark.parametrize("wrapped", PROXIED, ids=["around-flask", "around-its-method"])
def test_an_app_is_found_in_the_middleware_around_it(start: Start, wrapped: tuple[str, ...]) -> None:
    source = source_of("from werkzeug.middleware.proxy_fix import ProxyFix", *wrapped)
    app = start(*MEASURED, "-w", "2", *BIND, "own:app", source=source)
    clients = Clients(app)
    clients.send(28)
    assert app.counted() == clients.answered
    assert "ERROR" not in app.log.replace("ERROR in app", "")


def test_metrics_of_the_apps_own_are_shown_and_those_of_a_taken_name_are_left_out(start: Start) -> None:
    app = start(*MEASURED, "-w", "3", *BIND, "own:app", source=OWN_METRICS)
    clients = Clients(app)
    clients.send(28)
    for _ in range(20):
        assert app.ask("/orders", {}) == (200, "ordered")
    assert app.metrics()["orders_total"] == 20
    text = app.exposition()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert [name for name, times in Counter(names).items() if times > 1] == []
    series = [line.rpartition(" ")[0] for line in text.splitlines() if line[:1] != "#"]
    assert [name for name, times in Counter(series).items() if times > 1] == []
    assert len(list(text_string_to_metric_families(text))) == len(names)
    metrics = app.metrics()
    assert metrics["gte_workers"] == 3
    assert metrics['gte_task_requests_total{status="success",task_type="qa"}'] == clients.answered["qa", "success"]
    assert "gte_task_latency_seconds_count" not in metrics
    assert metrics['gte_active_requests{task_type="qa"}'] == metrics['gte_phase_seconds_count{phase="inference"}'] == 0
    failed = clients.answered["classification", "error"]
    assert metrics['flask_http_request_exceptions_total{method="POST",status="500"}'] == failed == 4
    assert sorted(re.findall(r"has a metric (\w+) of its own: it is left out", app.log)) == [
        "flask_exporter_info", "flask_http_request_exceptions", "gte_active_requests", "gte_phase_seconds",
        "gte_task_latency_seconds", "gte_task_requests", "gte_workers",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source", [source_of(*OWN_ROUTE, *LINE), source_of(*LINE, *OWN_ROUTE)], ids=["before", "after"]
)
def test_an_app_keeps_its_own_route_for_metrics_and_the_log_says_what_to_do(start: Start, source: str) -> None:
    app = start("-m", "gunicorn", *BIND, "own:app", source=source, exported=False)
    assert app.ask("/metrics") == (200, "of my own")
    assert app.ask("/metrics") == (200, "of my own")
    assert app.log.count("a route /metrics of its own") == 1


def test_beside_an_apps_own_route_for_metrics_gunicorns_configuration_shows_the_monitors(start: Start) -> None:
    measured = start(*MEASURED, *BIND, "own:app", source=source_of(*LINE, *OWN_ROUTE))
    clients = Clients(measured)
    clients.send(28)
    assert measured.ask("/metrics") == (200, "of my own")
    assert measured.counted() == clients.answered
    assert "a route /metrics of its own" not in measured.log


def test_an_app_that_is_not_flasks_is_served_and_the_log_says_that_it_is_not_measured(start: Start) -> None:
    app = start(*MEASURED, *BIND, "own:app", source=NO_FLASK)
    assert app.ask("/predict", {"task_type": "qa"}) == (200, "answer")
    assert "is no Flask app and wraps none" in app.log
    assert app.counted().total() == 0
    assert app.metrics()["gte_workers"] == 1


def times_woken(pid: int) -> int:
    (line,) = re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(line)


def test_a_taken_port_is_said_in_one_line_and_the_app_answers_all_the_same(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = start(*MEASURED, *BIND, "app:app", exported=False, GTE_METRICS_LISTEN_PORT=str(port))
        wait_for(lambda: f":{port} for /metrics can't be opened" in app.log, "the message")
        assert app.predict("embedding", "天气") == 200
        # It does nothing but wait and try again.
        before = times_woken(app.exporter)
        wait_for(lambda: times_woken(app.exporter) >= before + 2, "further attempts")
    (said,) = [line for line in app.log.splitlines() if "can't be opened" in line]
    assert "GTE_METRICS_LISTEN_PORT" in said
    assert "Traceback" not in app.log
    # Free by now, and taken without a restart.
    app.metrics_port, app.exported = port, True
    wait_for(app.reachable, "the metrics")
    assert app.counted() == {("embedding", "success"): 1}


def test_a_killed_exporter_comes_back_although_no_worker_is_started(start: Start) -> None:
    app = start(*MEASURED, "-w", "2", *BIND, "app:app")
    clients = Clients(app)
    clients.send(28)
    workers, killed = app.workers, app.exporter
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: app.exporter != killed and app.reachable(), "another exporter")
    assert app.counted() == clients.answered
    assert app.workers == workers


def waits_for_a_folder(pid: int) -> bool:
    figures = read_figures(pid)
    opened = figures.open_files.values() if figures else ()
    return any(path.endswith("exporter.lock") for path in opened)


def test_two_servers_of_one_folder_do_not_end_each_others_exporters_for_ever(start: Start) -> None:
    first = start(*MEASURED, *BIND, "app:app")
    shared = {"GTE_METRICS_DIR": str(first.metrics_dir), "GTE_METRICS_LISTEN_PORT": str(first.metrics_port)}
    ended = first.exporter
    second = start(*MEASURED, *BIND, "app:app", exported=False, **shared)
    wait_for(lambda: first.exporter in second.children and first.reachable(), "the second one's exporter")
    exporter = first.exporter
    # The first server misses its own, and starts another.
    wait_for(lambda: any(map(waits_for_a_folder, {*first.children} - {ended})), "one that waits")
    assert (first.predict("embedding", "天气"), second.predict("embedding", "天气")) == (200, 200)
    assert first.counted() == {("embedding", "success"): 2}
    assert first.exporter == exporter
    second.stop()
    wait_for(lambda: first.exporter in first.children and first.reachable(), "the one that has waited")
    assert "has ended" not in second.log
    assert first.counted() == {("embedding", "success"): 2}


@pytest.mark.parametrize("setting", ["GTE_METRICS_LISTEN_PORT", "GTE_TASK_RULES"])
def test_a_setting_that_cannot_be_used_ends_the_start_and_is_named(start: Start, setting: str) -> None:
    with pytest.raises(AssertionError, match=setting):
        start(*MEASURED, *BIND, "app:app", **{setting: "predict"})


def test_nothing_is_needed_but_flask_gunicorn_and_prometheus_client(start: Start) -> None:
    app = start(*MEASURED, "-w", "2", *BIND, "own:app", source=ONE_LINE, modules={"sitecustomize": NOTHING_ELSE})
    clients = Clients(app)
    clients.send(28)
    assert app.counted() == clients.answered
    for name in ("torch", "numpy", "tokenizers", "modelscope", "yaml"):
        assert f"No module named '{name}'" in app.python(f"import {name}")
