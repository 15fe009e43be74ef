"""The example's app in both ways of its README: each answered request is counted, whatever its server does."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_app import BIND, EXAMPLE, LINE, MEASURED, ONE_LINE, Clients, RunningApp, Start, source_of, starting

from conftest import wait_for

READMES = ("README.md", "README.zh-CN.md")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starting(tmp_path)


def test_the_app_knows_nothing_of_metrics() -> None:
    source = (EXAMPLE / "app.py").read_text() + (EXAMPLE / "stand_in.py").read_text()
    assert [word for word in ("gte_monitoring", "prometheus", "metric", "monitor") if word in source.lower()] == []


def kill_worker(app: RunningApp) -> None:
    victim = app.workers[1]
    os.kill(victim, signal.SIGKILL)
    wait_for_replaced(app, {victim})


def wait_for_replaced(app: RunningApp, workers: set[int]) -> None:
    wait_for(lambda: len(app.workers) == 4 and not workers & set(app.workers), "other workers in their place")


@pytest.mark.parametrize("threads", [(), ("--threads", "8")], ids=["sync", "gthread"])
def test_no_answered_request_is_missing_or_counted_twice_through_kills_and_reloads(
    start: Start, threads: tuple[str, ...]
) -> None:
    app = start(*MEASURED, "-w", "4", *threads, *BIND, "app:app")
    wait_for(lambda: len(app.workers) == 4, "four workers")
    clients = Clients(app)
    with clients.sending(800) as wait_for_share:
        wait_for_share(0.1)
        kill_worker(app)
        wait_for_share(0.3)
        before = set(app.workers)
        app.sessions[0].send_signal(signal.SIGHUP)
        wait_for_replaced(app, before)
        kill_worker(app)
    counted = app.counted()
    # The worker that was killed may have counted a request and not answered it any more.
    assert clients.answered <= counted <= clients.answered + clients.cut, (clients.answered, clients.cut, counted)
    assert clients.cut.total() <= 2 * 8

    # While no request is on its way nothing can be cut, and the numbers are equal.
    kill_worker(app)
    later = Clients(app)
    later.send(140)
    assert not later.cut
    assert app.counted() == counted + later.answered
    metrics = app.metrics()
    assert metrics["gte_workers"] == 4
    # Four by the reload, three by kills.
    assert metrics["gte_worker_restarts_total"] == 7
    assert sorted(path.name for path in app.metrics_dir.glob("counter_*.db"))[-1] <= "counter_7.db"


@pytest.mark.parametrize(
    ("command", "workers"),
    [
        (("-m", "gunicorn", "-w", "3", *BIND, "own:app"), 3),
        (("-m", "gunicorn", "-w", "3", "--preload", *BIND, "own:app"), 3),
        (("-m", "flask", "--app", "own", "run", "--debug", "-p", "{port}"), 1),
    ],
    ids=["gunicorn", "preload", "flask"],
)
def test_with_one_line_the_app_itself_shows_the_sum_over_its_workers(
    start: Start, command: tuple[str, ...], workers: int
) -> None:
    # A rule of the app's that would match any path doesn't hide the metrics.
    source = source_of("@app.get('/<page>')", "def show(page):", "    return page", *LINE)
    app = start(*command, source=source, exported=False)
    # A worker that has inherited the app (--preload) is seen from its first request on.
    wait_for(lambda: app.ask("/health") and app.metrics()["gte_workers"] == workers, "all workers")
    clients = Clients(app)
    clients.send(280)
    assert not clients.cut
    assert clients.answered.total() == 280
    # Whichever worker answers the scrape.
    for _ in range(10):
        assert app.counted() == clients.answered
    assert app.metrics()["gte_server_up"] == 1


def test_with_one_line_the_counts_of_killed_workers_go_on(start: Start) -> None:
    app = start("-m", "gunicorn", "-w", "2", *BIND, "own:app", source=ONE_LINE, exported=False)
    wait_for(lambda: app.metrics()["gte_workers"] == 2, "two workers")
    # In the folder that GTE_METRICS_DIR names.
    assert sorted(app.workers) == sorted(app.children)
    clients = Clients(app)
    clients.send(70)
    for worker in app.children:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: app.log.count("Booting worker") == 4, "workers in their place")
    clients.send(70)
    assert app.counted() == clients.answered
    wait_for(lambda: app.metrics()["gte_workers"] == 2, "two workers")


def test_counts_go_on_in_the_metrics_of_a_server_that_takes_the_place_of_a_killed_one(start: Start) -> None:
    app = start(*MEASURED, "-w", "2", "--threads", "2", *BIND, "app:app")
    clients = Clients(app)
    clients.send(70)
    exporter = app.exporter
    app.sessions[0].kill()
    wait_for(lambda: not app.workers, "the workers notice")
    # Its exporter has outlived it, and says so.
    assert app.counted() == clients.answered
    assert (app.metrics()["gte_workers"], app.metrics()["gte_server_up"]) == (0, 0)
    app.start()
    wait_for(lambda: app.exporter in app.children and app.reachable(), "an exporter in its place")
    wait_for(lambda: not Path(f"/proc/{exporter}/exe").exists(), "the end of the old one")
    wait_for(lambda: app.metrics()["gte_workers"] == 2, "two workers")
    clients.send(70)
    assert app.counted() == clients.answered
    assert app.metrics()["gte_worker_restarts_total"] == 0


def readme_examples(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (EXAMPLE / name).read_text(), re.S)


def test_the_readmes_examples_are_the_same_in_both_languages() -> None:
    english, chinese = ([re.sub(" *#.*", "", code) for code in readme_examples(name)] for name in READMES)
    assert english == chinese


def test_the_readmes_first_example_is_measured(start: Start) -> None:
    source = readme_examples("README.md")[0]
    app = start("-m", "flask", "--app", "own", "run", "-p", "{port}", source=source, exported=False)
    assert app.predict("qa", "a|b") == 200
    assert app.counted() == {("qa", "success"): 1}


def test_the_readmes_callbacks_say_task_and_outcome(start: Start) -> None:
    app = start(*MEASURED, "-w", "2", *BIND, "own:app", source=readme_examples("README.md")[1])
    sent = ["/tasks/summary", "/tasks/keywords", "/tasks/nonsense", "/v1/translate", "/v1/translate"]
    assert [app.ask(path, {})[0] for path in sent] == [200] * 5
    metrics = app.metrics()
    counted = {name: value for name, value in metrics.items() if name.startswith("gte_task_requests_total") and value}
    assert counted == {
        'gte_task_requests_total{status="success",task_type="summary"}': 1,
        'gte_task_requests_total{status="invalid",task_type="keywords"}': 1,
        'gte_task_requests_total{status="invalid",task_type="unknown"}': 1,
        'gte_task_requests_total{status="error",task_type="translation"}': 2,
    }
    assert metrics['gte_task_errors_total{reason="internal",task_type="translation"}'] == 2
    assert metrics['gte_phase_seconds_sum{phase="inference"}'] == 0.75
    assert metrics['gte_task_phase_seconds_total{phase="inference",task_type="summary"}'] == 0.25
    # /v1/translate says no phases.
    rest = metrics['gte_task_phase_seconds_total{phase="rest",task_type="translation"}']
    assert 0 < rest == pytest.approx(metrics['gte_task_latency_seconds_sum{task_type="translation"}'])
    assert 'task_type="embedding"' not in app.exposition()


def test_the_environment_says_what_counts_as_a_task(start: Start) -> None:
    source = source_of("@app.post('/v2/predict')", "def second():", "    return 'answer'")
    # Where the command can't be changed, it brings the configuration too.
    environ = {
        "GUNICORN_CMD_ARGS": " ".join(MEASURED[2:]),
        "GTE_TASK_RULES": "/v2/predict",
        "GTE_TASK_TYPES": "summary, qa",
    }
    app = start("-m", "gunicorn", *BIND, "own:app", source=source, **environ)
    for task in ("summary", "qa", "ner"):
        assert app.ask("/v2/predict", {"task_type": task})[0] == 200
        assert app.predict(task, "a|b") in (200, 400)
    counted = {name for name, value in app.metrics().items() if name.startswith("gte_task_requests_total") and value}
    assert counted == {
        f'gte_task_requests_total{{status="success",task_type="{task}"}}' for task in ("summary", "qa", "unknown")
    }
