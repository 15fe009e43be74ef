"""A whole run: options, settings, Prometheus' API, a container's log, the table, and the exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.reconcile.command import main
from tools.reconcile.moments import say_moment
from tools.reconcile.scrapes import Key, Scrape
from tools.reconcile.tests.conftest import ROOT, LoggedBy, needs_engine, written
from tools.reconcile.tests.fake_prometheus import FakePrometheus
from tools.reconcile.tests.simulated_stack import INSTANCE, OTHER, Process, SimulatedStack

Compared = Callable[..., int]
# By then the container has written its log, so that it reaches back to the first scrape.
HENCE = 40.0


@pytest.fixture
def compared(tmp_path: Path, logged_by: LoggedBy, prometheus: FakePrometheus) -> Compared:
    """Compare what a made-up stack logs and counts in the minute that follows, as if it were over."""

    def compare(stack: SimulatedStack, *arguments: str) -> int:
        prometheus.scraped([scrape for scrape in stack.scrapes() if scrape.at >= stack.begin])
        logged_by("".join(map(written, stack.lines())))
        # The engine stamps the lines with the time at which they are really written.
        return main(["--since", say_moment(stack.begin - HENCE), *arguments], tmp_path, lambda: stack.end + 1.5)

    return compare


@pytest.fixture
def stack() -> SimulatedStack:
    """A minute of the near future, with three requests."""
    begin = round(time.time()) + HENCE
    made = SimulatedStack(begin, begin + 60.0)
    made.request(begin + 2.0, begin + 3.0)
    made.request(begin + 7.0, task="ner", status="error", reason="deadline")
    return made


@needs_engine
def test_equal_figures_end_with_0(
    compared: Compared, stack: SimulatedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(stack) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"from {say_moment(stack.begin)} to {say_moment(stack.end)}, 60 s"
    assert said[1] == f"asked for: {say_moment(stack.begin - HENCE)} to {say_moment(stack.end + 1.5)}"
    assert [line.split() for line in said[3:7]] == [
        ["requests", "(gte_task_requests_total)"],
        ["task", "status", "log", "lines", "counter", "difference"],
        ["embedding", "success", "2", "2", "0"],
        ["ner", "error", "1", "1", "0"],
    ]
    assert "  ner             deadline                     1           1           0" in said
    assert said[-1] == "Equal: 3 requests in the log and 3 in Prometheus, alike by task, status and reason."


@needs_engine
def test_different_figures_end_with_1(
    compared: Compared, stack: SimulatedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.unlogged.append(stack.requests[0])
    assert compared(stack) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[5].split() == ["embedding", "success", "2", "3", "+1"]
    assert said[-1] == "Different: the log lacks 1 request that Prometheus has."


@needs_engine
def test_a_column_tells_of_what_a_lost_volume_cost(
    compared: Compared, stack: SimulatedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.processes = [Process(0.0, stack.begin + 9.0), Process(stack.begin + 9.5, volume=None)]
    assert compared(stack) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[4].split()[-2:] == ["unscraped", "difference"]
    assert said[6].split() == ["ner", "error", "1", "0", "1", "0"]
    assert said[-1].startswith("Equal but for 1 request of 3")


@needs_engine
def test_programs_read_json(compared: Compared, stack: SimulatedStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(stack, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["equal"], said["exact"], said["notes"]) == (True, True, [])
    assert said["verdict"].startswith("Equal: 3 requests")
    assert (said["from"], said["to"]) == (say_moment(stack.begin), say_moment(stack.end))
    figures = {"lines": 1, "at_edges": 0, "counter": 1, "unscraped": 0, "difference": 0}
    assert said["requests"][1] == {"task_type": "ner", "status": "error", **figures}
    assert said["errors"] == [{"task_type": "ner", "reason": "deadline", **figures}]
    assert said["latency"][1] == {"task_type": "ner", **figures}


@needs_engine
def test_a_scrape_that_is_not_over_for_a_second_is_no_edge(
    compared: Compared, stack: SimulatedStack, prometheus: FakePrometheus, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its request may have no line yet.
    newest = Scrape(INSTANCE, stack.end + 1.0, 0.01, {Key("requests", "embedding", "success"): 4}, 0.0)
    prometheus.scraped([newest])
    assert compared(stack) == 0, capsys.readouterr().out


@needs_engine
def test_the_minute_before_the_range_is_read_too(
    compared: Compared, stack: SimulatedStack, prometheus: FakePrometheus, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without it, these 5 could be of the range.
    counts = {Key("requests", "qa", "success"): 5}
    moments = (stack.begin - HENCE - 50.0, stack.begin + 4.0, stack.end - 1.0)
    prometheus.scraped([Scrape(OTHER, at, 0.01, counts, 500.0) for at in moments])
    assert compared(stack) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Equal: ")


@needs_engine
def test_no_request_ends_with_2(compared: Compared, stack: SimulatedStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.requests.clear()
    stack.log_begin = None
    assert compared(stack) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("reconcile: The log of gte-service has no line at all")


@needs_engine
def test_a_prometheus_that_is_not_there_ends_with_2(
    compared: Compared, stack: SimulatedStack, prometheus: FakePrometheus, capsys: pytest.CaptureFixture[str]
) -> None:
    prometheus.answer = (502, b"Bad gateway")
    assert compared(stack) == 2
    assert "is not Prometheus (HTTP 502" in capsys.readouterr().err


@needs_engine
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_stops_reading_ends_it_quietly_with_the_same_status(
    compared: Compared, stack: SimulatedStack, tmp_path: Path, form: list[str]
) -> None:
    assert compared(stack) == 0
    arguments = ["--since", say_moment(stack.begin - HENCE), *form]
    program = f"main({arguments}, Path({str(tmp_path)!r}), lambda: {stack.end + 1.5})"
    program = f"import sys; from pathlib import Path; from reconcile.command import main; sys.exit({program})"
    # As where nobody set it: what print has not handed on is tried once more when Python ends.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, stdout=writer, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_wrong_options_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--since", "tomorrow"]) == 2
    assert capsys.readouterr().err.startswith("reconcile: --since 'tomorrow' is no moment")


def test_an_engine_that_does_not_answer_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("reconcile: No container engine answers")
