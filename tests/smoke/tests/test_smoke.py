"""The smoke test passes where all is well, and each of its checks fails when what it is about isn't."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.smoke.fixtures import NAMES
from tests.smoke.tests.breakages import BREAKAGES, Breakage, put
from tests.smoke.tests.fake_stack import FakeStack

FOLDER = Path(__file__).resolve().parents[1]
EMBEDDING = "check_prometheus.py::test_sees_an_embedding_raise_exactly_its_own_counters"
VIEWER = "check_dashboard_viewer.py"
UNKNOWN = "check_prometheus.py::test_sees_an_unknown_task_counted_as_unknown_and_nowhere_else"
# The fake stack has nothing to wait for.
SHORT = ("-o", "longest_check_seconds=0.3")


class Smoke:
    """Runs the smoke test in this process."""

    def __init__(self, json_file: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._json_file, self._capture = json_file, capture
        self.lines: list[str] = []

    def __call__(self, *arguments: str) -> int:
        """Make some checks, or all; returns the exit status and keeps the lines that were printed."""
        options = ["-c", str(FOLDER / "smoke.ini"), "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        status = int(pytest.main([*options, "--json", str(self._json_file), *arguments]))
        self.lines = self._capture.readouterr().out.strip().splitlines()
        return status

    def failures(self) -> dict[str, Any]:
        """The checks that failed, by their words."""
        checks = json.loads(self._json_file.read_text(encoding="utf-8"))["checks"]
        return {check["check"]: check for check in checks if check["outcome"] == "failed"}


@pytest.fixture
def smoke(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Smoke:
    monkeypatch.chdir(FOLDER)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Smoke(tmp_path / "smoke.json", capsys)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    stack = FakeStack()
    for setting, url in stack.settings.items():
        monkeypatch.setenv(setting, url)
    yield stack
    stack.close()


def test_all_checks_pass_where_all_is_well_and_each_has_been_seen_to_fail(smoke: Smoke, stack: FakeStack) -> None:
    assert smoke() == 0, smoke.lines
    checks = [re.fullmatch(r"ok +\d+\.\d\d s  (\S+) (.+)", line) for line in smoke.lines[:-2]]
    assert smoke.lines[-1] == f"{len(checks)} passed, 0 failed, 0 left out"
    made = [(check[1], check[2]) for check in checks if check]
    assert len(made) == len(checks) == len(set(made))
    assert {service for service, _ in made} == set(NAMES) - {"dashboard-viewer"}
    assert made[-1] == ("alert-inbox", "is told when that alert ends")
    broken = {words(breakage.check) for breakage in BREAKAGES if breakage.file != VIEWER}
    assert broken | {words(EMBEDDING), words(UNKNOWN)} == {check for _, check in made}


def test_the_viewer_is_checked_where_grafana_is_left_out(
    smoke: Smoke, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMOKE_LEFT_OUT", "grafana")
    assert smoke(VIEWER) == 0, smoke.lines
    checks = [line.split("s  dashboard-viewer ")[1] for line in smoke.lines[:-2]]
    assert set(checks) == {words(breakage.check) for breakage in BREAKAGES if breakage.file == VIEWER}
    monkeypatch.setenv("SMOKE_LEFT_OUT", "grafana,dashboard-viewer")
    assert smoke(VIEWER) == 5
    assert smoke.lines[-1] == f"0 passed, 0 failed, {len(checks)} left out"


def words(check: str) -> str:
    return check.rpartition("::test_")[2].replace("_", " ").replace("[", " ").rstrip("]")


@pytest.mark.parametrize("broken", BREAKAGES, ids=[f"{broken.check}: {broken.reason}" for broken in BREAKAGES])
def test_a_check_fails_when_what_it_is_about_is_wrong(
    broken: Breakage, smoke: Smoke, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMOKE_LEFT_OUT", "grafana" if broken.file == VIEWER else "")
    stack.break_with(broken.route, broken.edit)
    # The checks of the alert path follow one another.
    name = broken.file if broken.file == "check_alerts.py" else f"{broken.file}::test_{broken.check}"
    assert smoke(name, *SHORT) == 1, smoke.lines
    failure = smoke.failures()[words(broken.check)]
    assert broken.reason in failure["reason"]


@pytest.mark.parametrize(
    ("check", "count_as", "reason"),
    [
        (EMBEDDING, lambda own: Counter(), "still lacks"),
        (EMBEDDING, lambda own: own + own, "run again without other traffic"),
        (EMBEDDING, lambda own: own + Counter(['x{task_type="qa"}']), 'x{task_type="qa"} +1'),
        (EMBEDDING, lambda own: own - Counter(['seen{task_type="qa"}'] * 9), "A counter went back"),
        (UNKNOWN, lambda own: Counter(), "still lacks"),
        (UNKNOWN, lambda own: Counter(['x{task_type="smoke-test"}']), 'x{task_type="smoke-test"} +1'),
    ],
)
def test_a_count_that_is_not_exact_fails(
    check: str, count_as: Callable[[Counter[str]], Counter[str]], reason: str, smoke: Smoke, stack: FakeStack
) -> None:
    stack.counters['seen{task_type="qa"}'] = 7
    if reason == "A counter went back":
        count_as = lambda own: stack.counters.clear() or own  # type: ignore[func-returns-value]  # noqa: E731
    stack.count_as = count_as
    assert smoke(check, *SHORT) == 1
    assert reason in smoke.failures()[words(check)]["reason"]


def test_counters_of_a_scrape_that_is_too_old_are_not_compared(smoke: Smoke, stack: FakeStack) -> None:
    stack.scraped_ago["gte-service-1"] = 60.0
    assert smoke(EMBEDDING, *SHORT) == 1
    assert "s too early" in smoke.failures()[words(EMBEDDING)]["reason"]


def test_a_replica_that_was_not_scraped_yet_is_waited_for(smoke: Smoke, stack: FakeStack) -> None:
    del stack.scraped_ago["gte-service-1"]
    assert smoke(EMBEDDING, *SHORT) == 1
    assert "0 of the 1 replicas of gte-service are scraped" in smoke.failures()[words(EMBEDDING)]["reason"]


def test_the_series_of_a_replica_that_is_no_target_any_more_do_not_count(smoke: Smoke, stack: FakeStack) -> None:
    stack.counters['seen{task_type="qa"}'] = 7
    stack.former_replicas["gte-service-2"] = 60.0
    assert smoke(EMBEDDING, *SHORT) == 0


def test_an_end_that_would_be_told_too_late_is_left_out_and_the_alert_ended_all_the_same(
    smoke: Smoke, stack: FakeStack
) -> None:
    stack.group_interval = "4m60s"
    assert smoke("check_alerts.py") == 0
    assert smoke.lines[-1] == "7 passed, 0 failed, 1 left out"
    assert "LEFT OUT     0.0" in smoke.lines[-3]
    assert "group_interval is up to 300 s" in smoke.lines[-3]
    assert stack.alerts[0]["status"] == "resolved"


def test_a_failure_is_one_line_with_what_was_seen_and_what_to_look_at(smoke: Smoke, stack: FakeStack) -> None:
    stack.break_with("GET /gte/healthz", put("status", value="two\nlines " + "x" * 2000))
    checks = ("check_gte_service.py::test_answers_healthz", "check_prometheus.py::test_scrapes[grafana]")
    assert smoke(*checks, *SHORT) == 1
    assert re.fullmatch(r"FAILED +\d\d?\.\d\d s  gte-service answers healthz: the status is 'two.*", smoke.lines[0])
    assert smoke.lines[0].endswith("…; look at: docker compose logs gte-service")
    assert len(smoke.lines[0]) < 650
    assert smoke.lines[-1] == "1 passed, 1 failed, 0 left out"


def test_a_left_out_service_and_what_needs_it_are_counted_apart(
    smoke: Smoke, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMOKE_LEFT_OUT", "grafana,")
    assert smoke("check_prometheus.py", "check_grafana.py") == 0
    left_out = [line.split("s  ")[1] for line in smoke.lines if line.startswith("LEFT OUT ")]
    assert left_out[0] == "prometheus scrapes grafana: SMOKE_LEFT_OUT names grafana"
    assert smoke.lines[-1] == "15 passed, 0 failed, 7 left out"
    assert smoke("check_grafana.py") == 5
    assert smoke.lines[-2].startswith("nothing was checked")


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("SMOKE_LEFT_OUT", "grafana nginx", "names nginx: name some of gte-service, prometheus"),
        ("SMOKE_GRAFANA_URL", "grafana:3000", "write it like http://grafana:1234"),
        ("SMOKE_API_KEYS_FILE", "/no-such-file", "no key can be read from /no-such-file"),
        ("SMOKE_API_KEYS_FILE", "/dev/null", "it holds none"),
    ],
)
def test_a_setting_that_cant_be_used_is_refused(
    setting: str, value: str, reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    monkeypatch.chdir(FOLDER)
    assert pytest.main(["-c", "smoke.ini"]) == 4
    assert reason in capsys.readouterr().err


def test_gte_service_is_sent_the_first_key_and_no_other_service_is(
    smoke: Smoke, stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("# for the search\n\n first-key-0123456789 \nsecond-key-0123456789\n")
    monkeypatch.setenv("SMOKE_API_KEYS_FILE", str(tmp_path / "keys"))
    assert smoke("check_gte_metrics.py") == 0
    assert stack.keys_sent == {"gte": "Bearer first-key-0123456789", "metrics": None}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "no complete answer within"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "no complete answer within"),
        (b"+PONG\r\n", "PONG"),
    ],
    ids=["silent", "drips", "no HTTP"],
)
def test_a_service_that_hangs_is_given_up_in_time(
    answer: bytes, reason: str, smoke: Smoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(answer)
            while not ended.wait(0.1):
                try:
                    connection.sendall(b"x" if answer.startswith(b"HTTP") else b"")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while not ended.is_set():
                threading.Thread(target=serve, args=(server.accept()[0],)).start()

        threading.Thread(target=accept, daemon=True).start()
        monkeypatch.setenv("SMOKE_GRAFANA_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        assert smoke("check_grafana.py", "-k", "knows or lists", "-o", "longest_run_seconds=2") == 1
        ended.set()
        socket.create_connection(server.getsockname()).close()
    assert time.monotonic() - began < 8
    assert reason in smoke.failures()["knows its data sources"]["reason"]
    if reason != "PONG":
        assert "(longest_run_seconds) was up" in smoke.failures()["lists the overview dashboard"]["reason"]


def test_a_closed_port_is_named_and_its_service_not_waited_for_again(
    smoke: Smoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("SMOKE_GRAFANA_URL", f"http://127.0.0.1:{port}/a")
    assert smoke("check_grafana.py", "-k", "knows or queries") == 1
    assert re.fullmatch(
        rf"GET http://127.0.0.1:{port}/a/api/frontend/settings: .*refused",
        smoke.failures()["knows its data sources"]["reason"],
    )
    assert smoke.failures()["queries prometheus through its data source"]["seconds"] < 3


def test_json_on_standard_output_has_it_for_itself(stack: FakeStack, capfd: pytest.CaptureFixture[str]) -> None:
    assert pytest.main(["-c", str(FOLDER / "smoke.ini"), str(FOLDER / "check_node_exporter.py"), "--json", "-"]) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["passed"] == 4
    assert "4 passed, 0 failed, 0 left out" in printed.err
