"""A run passes when both sides tell of the same requests, and fails when they don't."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_stack_under_load import FakeStack

import loadtest.prometheus
import loadtest.run
from loadtest.command import main
from loadtest.latency import Latencies
from loadtest.wrk import ClientFigures, Load
from tools.cli import ask

Send = Callable[[Load], ClientFigures]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    monkeypatch.setattr(loadtest.prometheus, "POLL_SECONDS", 0.001)
    stack = FakeStack()
    # What was counted before the run must not matter.
    stack.count("embedding", 200, 4.0)
    stack.count("ner", 500, 4.0)
    yield stack
    stack.close()


def sends(count: int, unread: int = 0, latency_us: int = 40_000) -> Send:
    """A client that sends `count` requests, and some more whose answers it doesn't read."""

    def send(load: Load) -> ClientFigures:
        completed: Counter[tuple[str, str]] = Counter()
        for number in range(count + unread):
            task = ("embedding", "embedding", "embedding", "similarity")[number % 4]
            status, _ = ask(f"{load.target_url}/predict", {"task_type": task, "input_text": "文"})
            if number < count:
                completed[task, str(status)] += 1
        latencies = Latencies({latency_us: count} if count else {})
        return ClientFigures(2.0, completed, {}, latencies, latencies)

    return send


def run(stack: FakeStack, send: Send, *arguments: str) -> int:
    return main(arguments, stack.environment(), send)


def test_a_run_whose_figures_agree_passes(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(stack, sends(40)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "The figures agree."
    assert "  embedding success                     30                              30  agrees (30 to 38)" in lines
    assert "  similarity success                    10                              10  agrees (10 to 18)" in lines
    assert any(line.split() == ["requests", "per", "second", "20.0", "10.0"] for line in lines)
    assert any("coordinated omission" in line for line in lines)
    assert any("demo model" in line for line in lines)


def test_what_was_in_flight_at_the_end_may_be_counted(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(stack, sends(40, unread=8)) == 0
    assert "the server counted 8 of them" in capsys.readouterr().out


def problems(stack: FakeStack, capsys: pytest.CaptureFixture[str], send: Send, *arguments: str) -> str:
    """What a run that fails says."""
    assert run(stack, send, *arguments) == 1
    out = capsys.readouterr().out
    assert "The figures agree." not in out
    return "\n".join(line for line in out.splitlines() if line.startswith("FAIL "))


def test_more_than_was_in_flight_fails(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    message = problems(stack, capsys, sends(40, unread=20))
    assert "30 answers for embedding with the status success, Prometheus shows 45" in message
    assert "run again without other traffic" in message


def test_a_little_more_of_each_task_than_was_in_flight_fails(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    message = problems(stack, capsys, sends(40, unread=10))
    assert "the server counted 10 requests more" in message
    assert "only 8 can have been in flight" in message


def test_one_request_that_was_not_counted_fails(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(40)(load)
        stack.requests["embedding", "success"] -= 1
        return figures

    message = problems(stack, capsys, send)
    assert "30 answers for embedding with the status success, Prometheus shows 29 more" in message
    assert "gte_task_latency_seconds counted 40 requests, gte_task_requests_total 39" in message


def test_a_request_of_a_task_that_was_not_sent_fails(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(40)(load)
        stack.count("unknown", 400, 0.001)
        return figures

    assert "0 answers for unknown with the status invalid, Prometheus shows 1" in problems(stack, capsys, send)


def test_a_request_that_was_counted_under_another_status_fails(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(40)(load)
        stack.requests["similarity", "success"] -= 1
        stack.requests["similarity", "error"] += 1
        return figures

    assert "10 answers for similarity with the status success, Prometheus shows 9" in problems(stack, capsys, send)


def test_a_counter_that_goes_back_is_named(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    def send(load: Load) -> ClientFigures:
        stack.requests.clear()
        return sends(40)(load)

    assert "started anew" in problems(stack, capsys, send)


def test_a_histogram_slower_than_the_client_fails(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(36)(load)
        for _ in range(4):
            stack.count("embedding", 200, 1.5)
        completed = Counter(figures.completed)
        completed["embedding", "200"] += 4
        latencies = Latencies({40_000: 40})
        return ClientFigures(2.0, completed, {}, latencies, latencies)

    message = problems(stack, capsys, send)
    assert "4 requests took the server longer than 0.05 s, but only 0 can have" in message


def test_an_answer_that_is_an_error_fails_though_the_figures_agree(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.status = lambda number: 500 if number == 3 else 200
    message = problems(stack, capsys, sends(40))
    assert message == "FAIL 1 answers for embedding had the status 500"


def test_a_status_that_is_allowed_is_no_failure(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.status = lambda number: 503 if number == 3 else 200
    assert run(stack, sends(40), "--allow-status", "503") == 0
    assert any(line.split() == ["embedding", "internal", "1"] for line in capsys.readouterr().out.splitlines())


def test_a_refused_request_counts_as_invalid(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.status = lambda number: 400 if number == 3 else 200
    assert run(stack, sends(40), "--allow-status", "400") == 0
    assert any(line.split()[:4] == ["embedding", "invalid", "1", "1"] for line in capsys.readouterr().out.splitlines())


def test_a_request_that_was_lost_with_its_connection_may_be_counted(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(40, unread=10)(load)
        return ClientFigures(2.0, figures.completed, {"read": 2}, figures.measured, figures.corrected)

    assert problems(stack, capsys, send) == "FAIL 2 requests broke off at read"


def test_a_socket_error_fails(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(40)(load)
        return ClientFigures(2.0, figures.completed, {"timeout": 2}, figures.measured, figures.corrected)

    assert "2 requests took longer than 30 s" in problems(stack, capsys, send)


def test_a_run_without_an_answer_fails(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no request was answered" in problems(stack, capsys, sends(0))


def test_limits_that_are_missed_fail(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    message = problems(stack, capsys, sends(40), "--max-p95", "39", "--min-qps", "21")
    assert "P95 is 40.0 ms, the limit is 39 ms" in message
    assert "20.0 requests per second were answered, the limit is 21" in message


def test_limits_that_are_met_pass(stack: FakeStack) -> None:
    assert run(stack, sends(40), "--max-p95", "40", "--min-qps", "20") == 0


def test_json_has_the_same_figures(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(stack, sends(40), "--json", "-") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agrees"] is True
    assert told["counts"][0] == {
        "task_type": "embedding",
        "status": "success",
        "client": 30,
        "server": 30.0,
        "server_at_most": 38,
        "agrees": True,
    }
    assert told["client"]["percentiles"]["p95"] == 0.04
    assert told["server"]["percentiles"]["p95"]["high"] <= 0.05


def test_json_goes_to_a_file(stack: FakeStack, tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    assert run(stack, sends(40), "--json", str(file), "--min-qps", "100") == 1
    assert json.loads(file.read_text(encoding="utf-8"))["problems"]


def no_figures(stack: FakeStack, capsys: pytest.CaptureFixture[str], send: Send) -> str:
    assert run(stack, send) == 3
    return capsys.readouterr().err


def test_a_service_that_is_not_ready_is_not_loaded(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.ready = (503, {"status": "loading"})
    assert "is not ready: {'status': 'loading'}" in no_figures(stack, capsys, sends(1))
    assert not stack.bodies


def test_other_traffic_before_the_run_is_noticed(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest.run, "REST_BEFORE_SECONDS", 0.2)

    def request() -> None:
        stack.requests["embedding", "success"] += 1

    stack.on_scrape = request
    assert "run again without other traffic" in no_figures(stack, capsys, sends(1))
    assert not stack.bodies


def test_what_is_in_flight_is_waited_for(stack: FakeStack) -> None:
    def send(load: Load) -> ClientFigures:
        figures = sends(40)(load)
        stack.active = 1
        scrapes: list[int] = []

        def finish_at_the_sixth() -> None:
            scrapes.append(1)
            if len(scrapes) == 6:
                stack.active = 0
                stack.requests["embedding", "success"] += 1

        stack.on_scrape = finish_at_the_sixth
        stack.latency["embedding"][0.01] += 1
        return figures

    assert run(stack, send) == 0
    assert stack.active == 0


def test_a_scrape_that_fails_is_waited_for(stack: FakeStack) -> None:
    left = [3]

    def come_back() -> None:
        left[0] -= 1
        stack.dead = left[0] > 0

    stack.dead = True
    stack.on_scrape = come_back
    assert run(stack, sends(8)) == 0


def test_a_prometheus_that_lost_its_target_is_named(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest.run, "REST_BEFORE_SECONDS", 0.1)
    stack.dead = True
    assert "scraped 0 of the 1 replicas of gte-service" in no_figures(stack, capsys, sends(1))


def test_the_series_of_a_replica_that_is_no_target_any_more_do_not_count(stack: FakeStack) -> None:
    labels = {"instance": "gte-service-2", "task_type": "qa", "status": "success", "reason": "internal", "le": "+Inf"}
    stack.former = [(labels, 7.0)]
    assert run(stack, sends(8)) == 0


def test_a_prometheus_that_does_not_answer_is_named(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    environment = stack.environment() | {"LOADTEST_PROMETHEUS_URL": "http://127.0.0.1:9"}
    assert main([], environment, sends(1)) == 3
    assert "http://127.0.0.1:9/api/v1/query" in capsys.readouterr().err
    assert not stack.bodies


def test_another_machine_is_not_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {"LOADTEST_TARGET_URL": "http://192.0.2.1:80"}, sends(1)) == 2
    assert "load is sent only to this machine" in capsys.readouterr().err
