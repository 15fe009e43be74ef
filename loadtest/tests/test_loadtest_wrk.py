"""wrk's figures are read, and refused when they contradict each other."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_stack_under_load import FakeStack

from loadtest import send, wrk
from loadtest.options import SCENARIOS, Options, read_options
from loadtest.wrk import MARK, WrkError, read_figures, run_wrk

FIGURES: dict[str, Any] = {
    "duration_us": 2_000_000,
    "requests": 5,
    "bytes": 100,
    "counts": {"embedding 200": 3, "similarity 200": 1, "similarity 503": 1},
    "errors": {"connect": 0, "read": 0, "write": 0, "status": 1, "timeout": 0},
    "latency_us": [[300_000, 3], [350_000, 2]],
}


def printed(**changed: Any) -> str:
    return f"Running 2s test\n  1 threads and 1 connections\n{MARK}{json.dumps(FIGURES | changed)}\n"


def test_figures_are_read() -> None:
    figures = read_figures(printed(), "", connections=1)
    assert figures.completed == {("embedding", "200"): 3, ("similarity", "200"): 1, ("similarity", "503"): 1}
    assert figures.seconds == 2
    assert figures.requests == 5
    assert figures.qps == 2.5
    assert figures.socket_errors == {}
    assert figures.measured.total == 5


def test_socket_errors_are_read() -> None:
    errors = {"connect": 2, "read": 0, "write": 0, "status": 1, "timeout": 1}
    figures = read_figures(printed(errors=errors, latency_us=[[300_000, 4]]), "", connections=1)
    assert figures.socket_errors == {"connect": 2, "timeout": 1}


def test_the_samples_that_wrk_added_are_taken_out() -> None:
    # The interval is 2 s / (5 requests / 1 connection) = 0.4 s: 1.3 s brings 0.9 s and 0.5 s along.
    latency = [[100_000, 4], [500_000, 1], [900_000, 1], [1_300_000, 1]]
    figures = read_figures(printed(latency_us=latency), "", connections=1)
    assert figures.measured.counts == {100_000: 4, 1_300_000: 1}
    assert figures.corrected.total == 7


@pytest.mark.parametrize(
    "changed",
    [
        {"requests": 6},
        {"counts": {"embedding 200": 4, "similarity 200": 1}},
        {"latency_us": [[300_000, 4]]},
        {"counts": {"embedding": 5}},
        {"latency_us": None},
        {"duration_us": "soon"},
    ],
)
def test_figures_that_contradict_each_other_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(WrkError, match=r"contradict each other|can't be read"):
        read_figures(printed(**changed), "", connections=1)


def test_a_run_without_an_answer_has_figures_too() -> None:
    errors = {"connect": 8, "read": 0, "write": 0, "status": 0, "timeout": 0}
    figures = read_figures(printed(requests=0, counts={}, errors=errors, latency_us=[]), "", connections=8)
    assert figures.requests == 0
    assert figures.socket_errors == {"connect": 8}


def test_what_wrk_complains_of_is_told() -> None:
    with pytest.raises(WrkError, match=r"printed no figures: mixed\.lua:3: oh"):
        read_figures("Running 2s test\n", "mixed.lua:3: oh\n", connections=1)


def test_a_missing_wrk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WrkError, match="wrk isn't installed here"):
        run_wrk(options("http://127.0.0.1:9"))


def options(url: str, *arguments: str) -> Options:
    return read_options(["--duration", "1", *arguments], {"LOADTEST_TARGET_URL": url})


@pytest.fixture
def stack() -> Iterator[FakeStack]:
    stack = FakeStack()
    yield stack
    stack.close()


needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk isn't installed (apt-get install wrk)")


@needs_wrk
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_sends_what_its_name_says(scenario: str, stack: FakeStack) -> None:
    figures = run_wrk(options(stack.url, scenario, "--connections", "2", "--threads", "2"))
    tasks = Counter(body["task_type"] for body in stack.bodies)
    assert set(tasks) == ({"embedding", "similarity"} if scenario == "mixed" else {scenario})
    texts = set((wrk.SCENARIOS.parent / "texts/sentences.txt").read_text(encoding="utf-8").splitlines())
    for body in stack.bodies:
        sent = body["input_text"]
        pair = [sent] if body["task_type"] == "embedding" else sent
        assert len(pair) == (1 if body["task_type"] == "embedding" else 2)
        assert texts.issuperset(pair)
    assert {task for task, _ in figures.completed} == set(tasks)
    assert figures.requests <= len(stack.bodies) <= figures.requests + 2


@needs_wrk
def test_a_service_that_has_keys_is_sent_the_first(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Left over from somewhere: only the file counts.
    monkeypatch.setenv("LOADTEST_API_KEY", "another-key")
    run_wrk(options(stack.url, "--connections", "1"))
    assert set(stack.authorizations) == {None}
    stack.authorizations.clear()
    (tmp_path / "keys").write_text("# for the search\n\n first-key-0123456789 \nsecond-key-0123456789\n")
    guarded = {"LOADTEST_TARGET_URL": stack.url, "LOADTEST_API_KEYS_FILE": str(tmp_path / "keys")}
    run_wrk(read_options(["--duration", "1", "--connections", "1"], guarded))
    assert set(stack.authorizations) == {"Bearer first-key-0123456789"}


@needs_wrk
def test_wrk_counts_each_status_of_each_task(stack: FakeStack) -> None:
    stack.status = lambda number: 503 if number % 10 == 0 else 200
    figures = run_wrk(options(stack.url, "--connections", "2"))
    by_status: Counter[str] = Counter()
    for (task, outcome), count in figures.completed.items():
        assert task in ("embedding", "similarity")
        by_status[outcome] += count
    server = sum(count for (_, status), count in stack.requests.items() if status == "error")
    assert by_status["503"] <= server <= by_status["503"] + 2
    assert by_status["503"] > 0


@needs_wrk
def test_one_stall_is_one_slow_request_as_measured_and_many_as_corrected(stack: FakeStack) -> None:
    stack.delay = lambda number: 0.5 if number == 20 else 0.002
    figures = run_wrk(options(stack.url, "--connections", "1"))
    assert figures.measured.total == figures.requests
    assert figures.measured.above(400_000) == 1
    assert figures.corrected.above(400_000) > 1


@needs_wrk
def test_an_answer_without_a_result_is_told_apart(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "predict", lambda body: (200, {"task_type": "embedding"}))
    figures = run_wrk(options(stack.url, "embedding", "--connections", "1"))
    assert set(figures.completed) == {("embedding", "200 without a result")}


@needs_wrk
def test_a_target_that_refuses_is_an_error() -> None:
    with pytest.raises(WrkError, match="unable to connect"):
        run_wrk(options("http://127.0.0.1:9"))


@needs_wrk
def test_so_many_requests_hold_each_text_once_and_the_run_ends_with_the_last_answer(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.delay = lambda number: 1.0 if number == 12 else 0.01
    texts = [f"第{number}" for number in range(12)]
    (tmp_path / "texts").write_text("\n".join(texts), encoding="utf-8")
    arguments = ["embedding", f"{stack.url}/predict", "--requests", "12", "--connections", "4"]
    monkeypatch.setattr("sys.argv", ["send", *arguments, "--texts", str(tmp_path / "texts"), "--seconds", "30"])
    assert send.main() == 0
    assert Counter(body["input_text"] for body in stack.bodies) == Counter(texts)
    seen = json.loads(capsys.readouterr().out)
    assert (seen["answers"], seen["errors"]) == ({"200": 12}, {})
    assert sum(count for _, count in seen["latency_us"]) == 12
    assert 1 <= seen["seconds"] < 10
