"""What a user gets from `make demo`, in the order of a first hour: start, check, load, restart, break, stop.

The tests build on one running stack, so their order in this file is the order in which they run.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from grafana.boards.generate import BOARDS
from tests.config.containers import IMAGE_TAG
from tests.report import LEFT_OUT
from tests.stack.boards import (
    FAILING_TASK,
    RIGHTLY_EMPTY,
    SLOW_TASK,
    Watch,
    empty_panels,
    load,
    mixed_load,
    windowed_panels,
)
from tests.stack.chat import Chat
from tests.stack.rule_selectors import selectors_without_series
from tests.stack.running import MAKE, PORTS, PROJECT, ROOT, Stack, assert_locked_down, counted, wait_for

SERVICES = (
    "gte-service",
    "prometheus",
    "alertmanager",
    "alert-inbox",
    "node-exporter",
    "reverse-proxy",
    "grafana",
    "dashboard-viewer",
)
PUBLISHED = {"gte-service", "alert-inbox", "reverse-proxy", "grafana", "dashboard-viewer"}
# Prometheus notices after at most one scrape and one evaluation (5 s each) that the service is gone, the alert waits
# 30 s, Alertmanager gathers for 10 s; the rest is room for a busy machine.
ALERT_SECONDS = 120
JSON = {"Content-Type": "application/json"}
ENGLISH_BOARDS = " ".join(f"grafana/dashboards/en/gte-{name}.json" for name in BOARDS)


def running(stack: Stack) -> list[str]:
    return sorted(stack.containers())


def require_viewer_tools(stack: Stack) -> None:
    """Leave a check out where the viewer can't be built, which `make test` reports by itself."""
    # Built before the stack starts, and none of its own images, which the start removes.
    image = f"gte-observability/viewer-page-tests:{IMAGE_TAG}"
    if stack.run("docker", "image", "inspect", image).returncode:
        pytest.skip("npm's registry can't be reached, so the viewer is not built")


def require(stack: Stack, service: str) -> None:
    """Leave a check out where its service is left out, which only an image that can't be had may cause."""
    if f"LEFT OUT: {service}" in stack.output:
        pytest.skip(f"{service}: its image can't be had here")
    if service == "dashboard-viewer" and "LEFT OUT: grafana" not in stack.output:
        pytest.skip("dashboard-viewer: Grafana runs here, whose place it would take")


def test_the_start_ends_with_addresses_and_states(stack: Stack) -> None:
    table = stack.output.rpartition(f"Project {PROJECT}")[2]
    for service in running(stack):
        assert re.search(rf"^{service} .*\bhealthy\b", table, re.M), table
    for port in PORTS:
        # Grafana's port is the viewer's where Grafana is left out.
        if port != "GRAFANA_PORT" or "LEFT OUT: dashboard-viewer" not in stack.output:
            assert f"127.0.0.1:{stack.environ[port]}" in table
    assert "DEMO MODEL: builtin:lexical" in table


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_locked_down_and_bounded(stack: Stack, service: str) -> None:
    require(stack, service)
    # One that a test has paused is checked every 10 s.
    wait_for(lambda: stack.containers()[service]["State"]["Health"]["Status"] == "healthy", f"{service} healthy", 30)
    assert_locked_down(stack.containers()[service], published=service in PUBLISHED)


@pytest.mark.parametrize(("cpus", "chosen"), [("1", "2 1 1"), ("1.9", "2 1 1")])
def test_the_cpu_limit_of_its_container_decides_how_the_service_computes(stack: Stack, cpus: str, chosen: str) -> None:
    image = stack.containers()["gte-service"]["Config"]["Image"]
    script = (
        "from gte_service.settings import read_settings; chosen = read_settings({}); "
        "print(chosen.workers, chosen.torch_threads, chosen.computations)"
    )
    assert stack.must("docker", "run", "--rm", f"--cpus={cpus}", image, "python", "-c", script).strip() == chosen


def test_the_smoke_test_passes(stack: Stack, record_property: Callable[[str, object], None]) -> None:
    output = stack.must(*MAKE, "smoke")
    counts = re.search(r"(\d+) passed, 0 failed, (\d+) left out", output)
    assert counts, output
    assert int(counts[1]) >= 20
    left_out = re.findall(r"^LEFT OUT +[0-9.]+ s  (.+)", output, re.M)
    for check in left_out:
        record_property(LEFT_OUT, f"smoke: {check}")
    assert len(left_out) == int(counts[2])
    if "LEFT OUT: grafana" not in stack.output:
        assert not left_out


def test_the_smoke_test_fails_and_names_what_to_look_at(stack: Stack) -> None:
    stack.must("docker", "compose", "pause", "node-exporter")
    try:
        done = stack.run(*MAKE, "smoke")
    finally:
        stack.must("docker", "compose", "unpause", "node-exporter")
    assert done.returncode != 0
    assert re.search(r"^FAILED .*node-exporter", done.stdout, re.M), done.stdout
    assert "docker compose logs node-exporter" in done.stdout


def test_no_alert_fires_for_a_service_that_is_left_out(stack: Stack) -> None:
    wait_for(lambda: stack.query("count(ALERTS)"), "an evaluation of the rules", 60)
    # An earlier test has paused node-exporter, for which one may still fire.
    assert stack.query('ALERTS{alertname=~"Target.*",job=~"grafana|dashboard-viewer"}') == []


def test_the_viewer_serves_its_page_and_the_very_files_under_a_strict_policy(stack: Stack) -> None:
    require(stack, "dashboard-viewer")
    with urllib.request.urlopen(stack.url("GRAFANA_PORT", "/d/gte-overview/any?viewPanel=2"), timeout=10) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
        page = answer.read().decode()
    assert "grafana" not in page.lower()
    assert stack.get("GRAFANA_PORT", "/public/viewer.js")
    assert "@grafana/data" in stack.get("GRAFANA_PORT", "/public/licences.html")
    dashboard = (ROOT / "grafana/dashboards/en/gte-overview.json").read_text(encoding="utf-8")
    assert stack.get("GRAFANA_PORT", "/api/boards/gte-overview") == dashboard
    settings = json.loads(stack.get("GRAFANA_PORT", "/api/settings"))
    assert settings["links"]["inbox"] == stack.url("ALERT_INBOX_PORT", "")
    form = urllib.parse.urlencode({"query": 'up{job="prometheus"}'}).encode()
    with urllib.request.urlopen(stack.url("GRAFANA_PORT", "/api/datasource/query"), form, timeout=10) as answer:
        assert json.load(answer)["data"]["result"][0]["value"][1] == "1"


def test_the_page_of_the_viewer_passes_its_tests_in_a_browser(stack: Stack) -> None:
    require_viewer_tools(stack)
    dev = ("docker", "compose", "--project-directory", ".", "-f", "compose.yaml", "-f", "tests/compose.dev.yaml")
    print(stack.must(*dev, "run", "--rm", "--no-deps", "-T", "viewer-page-tests"))


def test_the_load_test_agrees_with_prometheus(stack: Stack) -> None:
    output = stack.must(*MAKE, "load", "ARGS=--duration 8 --connections 4")
    assert re.search("(?i)p95", output), output


@pytest.mark.parametrize("begin", ["now-5m", "now-30m"])
def test_every_query_of_the_dashboards_has_data_of_that_load_or_is_rightly_empty(stack: Stack, begin: str) -> None:
    require_viewer_tools(stack)

    def empty() -> set[str]:
        output = stack.must(*MAKE, "check-dashboards", f"ARGS=--data --from {begin} {ENGLISH_BOARDS}")
        assert re.search(r"^gte-overview: Answering\n  state: all\[#5794F2\]\n  answering: 1\[", output, re.M), output
        return empty_panels(output) - RIGHTLY_EMPTY.keys()

    # What is recorded each minute of five may be two minutes old.
    with mixed_load(stack):
        wait_for(lambda: not empty(), f"data of {empty()}", 150)


@pytest.mark.parametrize(("begin", "step"), [("now-24h", "15m"), ("now-7d", "2h")])
def test_every_line_of_the_dashboards_has_data_at_long_steps_too(stack: Stack, begin: str, step: str) -> None:
    """The last point before now may lie before this young stack began: the next one holds what it has seen."""
    require_viewer_tools(stack)
    output = stack.must(*MAKE, "check-dashboards", f"ARGS=--data --from {begin} --to now+{step} {ENGLISH_BOARDS}")
    assert (empty_panels(output) & windowed_panels()) - RIGHTLY_EMPTY.keys() == set()


@pytest.mark.parametrize("minutes", [15, 360, 10_080])
def test_the_cells_of_the_heatmap_add_up_to_the_requests(stack: Stack, minutes: int) -> None:
    """A step as the panel has it: the range by its 900 pixels, at least a minute."""
    step = max(60, minutes * 60 // 900 // 60 * 60)
    now = time.time() // step * step
    counted = 'job_task_type_le:gte_task_latency_seconds_bucket:increase1m{le="+Inf"}'
    asked = urllib.parse.urlencode({
        # What came in the last minute is recorded within the next, which may end after the next step.
        "query": f"sum(sum_over_time({counted}[{step}s]))", "start": now - minutes * 60, "end": now + 2 * step,
        "step": step,
    })  # fmt: skip

    def differ() -> float:
        cells = json.loads(stack.get("PROMETHEUS_PORT", f"/api/v1/query_range?{asked}"))["data"]["result"]
        shown = sum(float(value) for _, value in cells[0]["values"]) if cells else 0.0
        total = float(stack.query("sum(gte_task_latency_seconds_count)")[0]["value"][1])
        return abs(shown / total - 1)

    wait_for(lambda: differ() < 0.05, f"cells that add up, not {differ()}", 90)


def test_a_report_is_one_file_with_the_dashboards_and_that_load(stack: Stack, tmp_path: Path) -> None:
    require_viewer_tools(stack)
    file = tmp_path / "report.html"
    output = stack.must(*MAKE, "report", "FROM=now-5m", "TO=now", f"ARGS=--out {file}")
    assert re.search(r"^It holds the labels .*\btask_type\b", output, re.M), output
    page = file.read_text(encoding="utf-8")
    assert "GTE overview" in page
    assert 1_000_000 < len(page) < 5_000_000
    # A file of one piece: it may load nothing from anywhere.
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page[:2000])
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


def test_every_selector_of_the_rules_finds_series(stack: Stack) -> None:
    wait_for(lambda: not selectors_without_series(stack), f"series of {selectors_without_series(stack)}", 60)


def test_a_request_is_counted_in_prometheus_by_task(stack: Stack) -> None:
    expression = 'sum(gte_task_requests_total{task_type="embedding",status="success"})'
    before = float(stack.query(expression)[0]["value"][1])
    assert stack.predict("张三在北京参加了奥运会") == 200
    wait_for(lambda: float(stack.query(expression)[0]["value"][1]) == before + 1, "the count in Prometheus", 30)


def test_log_and_prometheus_count_the_same_and_a_false_line_is_noticed(stack: Stack) -> None:
    def reconciled() -> tuple[int, dict[str, Any]]:
        done = stack.run(sys.executable, "-m", "tools.reconcile", "--since", "8m", "--json")
        return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def exact_over_the_load_test() -> tuple[int, dict[str, Any]] | None:
        code, found = reconciled()
        # Until a scrape has seen the last of its thousands, an exact range ends before the load test.
        holds_it = found.get("exact") and sum(row["lines"] for row in found["requests"]) > 1000
        return (code, found) if holds_it else None

    code, found = wait_for(exact_over_the_load_test, "an exact comparison over the load test", 60)
    assert (code, found["equal"]) == (0, True), found
    assert {row["status"] for row in found["requests"] if row["lines"]} >= {"success", "invalid"}
    false = '{"time": "\'$(date -u +%FT%T.%6N)\'+00:00", "task_type": "ner", "status": "error", "reason": "internal"}'
    stack.must("docker", "compose", "exec", "-T", "gte-service", "sh", "-c", f"echo '{false}' > /proc/1/fd/1")
    assert wait_for(lambda: (got := reconciled())[0] == 1 and got, "the false line", 60)[1]["equal"] is False


def test_prometheus_has_nothing_against_the_metrics(stack: Stack) -> None:
    exposed = stack.get("GTE_METRICS_PORT", "/metrics")
    linted = stack.run("docker", "compose", "exec", "-T", "prometheus", "promtool", "check", "metrics", given=exposed)
    assert (linted.returncode, linted.stdout) == (0, "")
    # It asks for OpenMetrics, whose parser is the strict one.
    targets = json.loads(stack.get("PROMETHEUS_PORT", "/api/v1/targets"))["data"]["activeTargets"]
    assert [target["lastError"] for target in targets if target["labels"]["job"] == "gte-service"] == [""]
    log = stack.must("docker", "compose", "logs", "--no-log-prefix", "prometheus").splitlines()
    ours = [line for line in log if "gte-service" in line and re.search("level=(WARN|ERROR)", line)]
    # Before the service's container is there, its name has no address.
    assert [line for line in ours if "Unable to refresh target groups" not in line] == []


def test_the_phases_of_each_task_add_up_to_its_latency_also_when_requests_are_refused(stack: Stack) -> None:
    def seconds(metric: str) -> dict[str, float]:
        by_task = stack.query(f"sum by (task_type) ({metric})")
        return {sample["metric"]["task_type"]: float(sample["value"][1]) for sample in by_task}

    def refused() -> float:
        errors = stack.query('sum(gte_task_errors_total{task_type="embedding",reason="overloaded"})')
        return float(errors[0]["value"][1]) if errors else 0.0

    before = refused()
    # Two of them fill the queue of a worker.
    texts = ["一段比较长的文字，用来让计算持续一会儿。" * 10] * 90
    with ThreadPoolExecutor(16) as clients:
        statuses = list(clients.map(lambda _: stack.predict(texts), range(48)))
    assert set(statuses) == {200, 503}
    wait_for(lambda: refused() - before == statuses.count(503), "the last of them", 30)
    latency = pytest.approx(seconds("gte_task_latency_seconds_sum"), rel=0.001)
    assert seconds("gte_task_phase_seconds_total") == latency


def test_a_restart_fails_no_request_in_flight(stack: Stack) -> None:
    restarted = threading.Event()
    outcomes: list[int | str] = []

    body = json.dumps({"task_type": "embedding", "input_text": "重启的时候，已经在处理的请求也要答完。" * 10})

    def client() -> None:
        while not restarted.is_set():
            connection = stack.connect("gte-service", 5000)
            if connection is None:
                time.sleep(0.05)  # nothing listens, so no request was in flight
                continue
            try:
                connection.request("POST", "/predict", body, JSON | {"Connection": "close"})
                status = connection.getresponse().status
                outcomes.append(status)
                time.sleep(0.05 if status == 503 else 0)  # the model is being loaded, and needs the CPUs
            except (OSError, http.client.HTTPException) as error:
                outcomes.append(repr(error))
            finally:
                connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    try:
        wait_for(lambda: len(outcomes) > 20, "traffic", 30)
        stack.must("docker", "compose", "restart", "gte-service")
        so_far = len(outcomes)
        wait_for(lambda: outcomes[so_far:].count(200) > 20, "answers after the restart", 60)
    finally:
        restarted.set()
        for one in clients:
            one.join()
    # 503 is an answer: the new process says that its model isn't loaded yet.
    assert set(outcomes) <= {200, 503}, {outcome: outcomes.count(outcome) for outcome in outcomes}


def test_no_answered_request_is_lost_when_the_container_is_killed_under_load_and_started_again(stack: Stack) -> None:
    """Exact as Prometheus sees it: over the raw samples of all scrapes, before and after."""
    stopped = threading.Event()
    lock = threading.Lock()
    answered: list[str] = []
    cut: list[str] = []
    before = counted(stack)

    def client(number: int) -> None:
        body = json.dumps({"task_type": "sentiment", "input_text": "这家店的服务太差了，再也不来了。"})
        for sent in itertools.count():
            if stopped.is_set():
                return
            identity = f"{number}-{sent}-{uuid.uuid4().hex}"
            connection = stack.connect("gte-service", 5000)
            if connection is None:
                time.sleep(0.05)  # nothing listens, so nothing was sent
                continue
            try:
                connection.request("POST", "/predict", body, JSON | {"X-Request-ID": identity, "Connection": "close"})
                if connection.getresponse().status == 200:
                    with lock:
                        answered.append(identity)
                else:
                    time.sleep(0.05)  # the model is being loaded, and needs the CPUs
            except (OSError, http.client.HTTPException):
                with lock:
                    cut.append(identity)
            finally:
                connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for one in clients:
        one.start()
    try:
        for _ in range(2):
            wait_for_more(answered, 100)
            stack.must("docker", "compose", "kill", "gte-service")
            stack.must("docker", "compose", "start", "gte-service")
    finally:
        stopped.set()
        for one in clients:
            one.join()
    # A request whose connection was cut may have been counted in its last microseconds; the log says so.
    log = stack.must("docker", "compose", "logs", "--no-log-prefix", "--since", "10m", "gte-service")
    finished = len(answered) + sum(f'"{identity}"' in log for identity in cut)
    # A client that was cut may reach a worker whose own kill is still on its way, and be cut again.
    assert len(cut) <= 2 * 2 * len(clients)
    assert len(answered) > 200
    try:
        # A kill between the count and its line leaves a request that is counted, and neither logged nor answered:
        # at most one for each client and kill.
        most = min(len(answered) + len(cut), finished + 2 * len(clients))
        wait_for(lambda: finished <= counted(stack) - before <= most, "all of them in Prometheus", 30)
    finally:
        print(f"{len(answered)} answered, {finished} counted and logged, {counted(stack) - before:.0f} in Prometheus")


def wait_for_more(answered: Sequence[str], more: int) -> None:
    goal = len(answered) + more
    wait_for(lambda: len(answered) > goal, "traffic", 60)


def test_a_killed_service_brings_an_alert_to_inbox_and_chat_and_its_return_the_all_clear(
    stack: Stack, chat: Chat
) -> None:
    chat.open(stack)
    began = time.time()

    def heard(word: str, received_at: str) -> bool:
        """Whether the chat heard of it at most 5 s after the inbox."""
        received = datetime.fromisoformat(received_at).timestamp()
        lines = [(at, text.splitlines()[0]) for at, text in chat.messages(began)]
        return any(word in line and "GTE_ServiceDown" in line and at - received < 5 for at, line in lines)

    stack.must("docker", "compose", "kill", "gte-service")
    killed = time.monotonic()
    firing = wait_for(lambda: stack.notifications("GTE_ServiceDown"), "the alert in the inbox", ALERT_SECONDS)[0]
    print(f"the alert came {time.monotonic() - killed:.0f} s after the kill")
    assert firing["status"] == "firing"
    assert firing["alerts"][0]["labels"]["severity"] == "critical"
    assert firing["alerts"][0]["annotations"]["summary"]
    assert "GTE_ServiceDown" in stack.get("ALERT_INBOX_PORT", "/")
    wait_for(lambda: heard("FIRING", firing["received_at"]), "the alert in the chat", 10)
    stack.must("docker", "compose", "up", "-d", "--wait", "--no-deps", "--no-build", "gte-service")

    def over() -> Any:
        newest = stack.notifications("GTE_ServiceDown")[0]
        return newest if newest["status"] == "resolved" else None

    end = wait_for(over, "the all-clear", 2 * ALERT_SECONDS)
    wait_for(lambda: heard("OVER", end["received_at"]), "the all-clear in the chat", 10)


@pytest.mark.parametrize(
    ("panel", "fault", "clients", "task"),
    [("slowest", SLOW_TASK, 4, "qa"), ("failing", FAILING_TASK, 12, "ner")],
)
def test_the_first_screen_names_a_task_within_30_s_after_it_became_slow_or_fails(
    stack: Stack, panel: str, fault: object, clients: int, task: str
) -> None:
    require_viewer_tools(stack)
    watch = Watch(stack, panel, task, 120)
    with load(stack, fault, clients):
        seconds = watch.seconds()
    print(f"{panel}: {seconds:.1f} s")
    assert seconds <= 30


def test_the_first_screen_is_red_within_25_s_after_the_server_hangs(stack: Stack) -> None:
    require_viewer_tools(stack)
    watch = Watch(stack, "answering", "NONE", 120)
    signal = "for f in $(grep -l gunicor[n] /proc/[0-9]*/cmdline); do kill -{} $(echo $f | cut -d/ -f3); done".format
    stack.must("docker", "compose", "exec", "-T", "gte-service", "sh", "-c", signal("STOP"))
    try:
        seconds = watch.seconds()
    finally:
        stack.must("docker", "compose", "exec", "-T", "gte-service", "sh", "-c", signal("CONT"))
    print(f"answering: {seconds:.1f} s")
    assert seconds <= 25


def test_data_survives_down_and_up(stack: Stack) -> None:
    before = [entry["id"] for entry in stack.notifications("GTE_ServiceDown")]
    revision = json.loads(stack.get("GTE_PORT", "/readyz"))["revision"]
    stack.must(*MAKE, "down")
    assert running(stack) == []
    stack.must(*MAKE, "demo")
    assert [entry["id"] for entry in stack.notifications("GTE_ServiceDown")][-len(before) :] == before
    assert json.loads(stack.get("GTE_PORT", "/readyz"))["revision"] == revision
    assert stack.query("count(count_over_time(gte_model_ready[10m] offset 1m))"), "Prometheus lost its history"


def test_clean_leaves_nothing(stack: Stack, chat: Chat) -> None:
    chat.close(stack)
    stack.must(*MAKE, "clean", "CONFIRM=yes")
    label = f"label=com.docker.compose.project={PROJECT}"
    for kind in ("container", "volume", "network"):
        arguments = ["-a"] if kind == "container" else []
        assert stack.must("docker", kind, "ls", "-q", *arguments, "--filter", label).split() == []
