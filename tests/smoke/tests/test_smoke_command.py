"""The command makes the checks that were asked for, tells of each, and ends with the right status."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from edits import with_status
from fake_server import Server
from fake_stack import FakeStack

from smoke.check import Check, Stack
from smoke.checks import CHECKS
from smoke.command import main
from smoke.deadline import Deadline
from smoke.errors import CheckError, UnreachableError
from smoke.report import last_line, line
from smoke.runner import Outcome, Result, run_checks
from smoke.settings import SERVICES, read_addresses


@pytest.fixture
def fake() -> FakeStack:
    return FakeStack()


@pytest.fixture
def server(fake: FakeStack) -> Iterator[Server]:
    server = Server(fake)
    yield server
    server.close()


def test_all_checks_pass_on_a_stack_in_which_all_is_well(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], server.environment()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{len(CHECKS)} passed, 0 failed, 0 left out"
    assert re.fullmatch(r"ok   gte-service answers /healthz \(\d+\.\d{3} s\)", lines[0])
    assert sum(text.startswith("ok   ") for text in lines) == len(CHECKS)


def test_a_failure_names_what_was_seen_and_what_to_look_at(
    fake: FakeStack, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.edit("GET /grafana/api/search", with_status(500))
    assert main(["--only", "grafana"], server.environment()) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [text for text in lines if text.startswith("FAIL ")]
    assert len(failed) == 1
    assert re.match(r"FAIL grafana lists the dashboard gte-overview \(\d\.\d{3} s\): GET .*: status 500 ", failed[0])
    assert failed[0].endswith("; look at: docker compose logs grafana")
    assert lines[-1] == "5 passed, 1 failed, 0 left out"


def test_a_left_out_service_is_counted_apart(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            ["--only", "grafana", "--only", "node-exporter"],
            server.environment() | {"SMOKE_LEFT_OUT": "grafana"},
        )
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert "LEFT OUT grafana is healthy: SMOKE_LEFT_OUT names grafana" in lines
    assert lines[-1] == "4 passed, 0 failed, 6 left out"


def test_what_needs_a_left_out_service_is_left_out_too(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "prometheus"], server.environment() | {"SMOKE_LEFT_OUT": "grafana"}) == 0
    left_out = [text for text in capsys.readouterr().out.splitlines() if text.startswith("LEFT OUT")]
    assert left_out == ["LEFT OUT prometheus scrapes grafana: SMOKE_LEFT_OUT names grafana"]


def test_a_run_that_checks_nothing_does_not_pass(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    environment = server.environment() | {"SMOKE_LEFT_OUT": "grafana"}
    assert main(["--only", "grafana"], environment) == 2
    assert "nothing was checked" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--only", "nginx"], ["--no-such-option"], ["grafana"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    assert ended.value.code == 2


@pytest.mark.parametrize("setting", [{"SMOKE_LEFT_OUT": "nginx"}, {"SMOKE_GTE_URL": "gte"}])
def test_a_setting_that_cant_be_used_ends_with_2(setting: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], setting) == 2
    assert capsys.readouterr().err.startswith("smoke: ")


def test_json_on_standard_output_has_it_for_itself(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "node-exporter", "--json", "-"], server.environment()) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert (told["passed"], told["failed"], told["left_out"]) == (4, 0, 0)
    assert told["checks"][0]["check"] == "answers with its page"
    assert printed.err.splitlines()[-1] == "4 passed, 0 failed, 0 left out"


def test_json_goes_to_a_file(fake: FakeStack, server: Server, tmp_path: Path) -> None:
    fake.edit("GET /node/metrics", with_status(404))
    file = tmp_path / "smoke.json"
    environment = server.environment() | {"SMOKE_LEFT_OUT": "grafana"}
    assert main(["--only", "node-exporter", "--only", "grafana", "--json", str(file)], environment) == 1
    told = json.loads(file.read_text(encoding="utf-8"))
    assert (told["passed"], told["failed"], told["left_out"]) == (1, 3, 6)
    assert {check["outcome"] for check in told["checks"]} == {"passed", "failed", "left_out"}
    assert told["checks"][1]["look_at"] == "docker compose logs node-exporter"


def test_a_file_that_cant_be_written_is_named(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", "node-exporter", "--json", str(tmp_path / "none" / "x")], server.environment()) == 2
    assert "--json can't be written" in capsys.readouterr().err


def test_the_list_makes_no_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"], {}) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CHECKS)


def test_each_service_has_checks_and_no_sentence_is_there_twice() -> None:
    assert {check.service for check in CHECKS} == set(SERVICES)
    assert len({(check.service, check.says) for check in CHECKS}) == len(CHECKS)
    assert all(check.services <= set(SERVICES) for check in CHECKS)


def test_one_dead_service_keeps_a_run_under_two_minutes() -> None:
    for dead in SERVICES:
        mine = [check for check in CHECKS if dead in check.services]
        assert mine[0].seconds + 2 * (len(mine) - 1) < 90


STACK = Stack(read_addresses({}), frozenset(), "test", 0.0)


def test_a_defective_check_fails_and_does_not_stop_the_others() -> None:
    def defective(stack: Stack, deadline: Deadline) -> None:
        raise ZeroDivisionError("oh")

    results = list(run_checks([Check("a", "x", defective), Check("a", "y", lambda *_: None)], STACK))
    assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.PASSED]
    assert results[0].reason == "the check itself is defective: ZeroDivisionError: oh"


def test_a_service_that_does_not_answer_is_not_waited_for_twice() -> None:
    given: list[float] = []

    def unreachable(stack: Stack, deadline: Deadline) -> None:
        given.append(deadline.remaining())
        raise UnreachableError("a", "refused")

    def other(stack: Stack, deadline: Deadline) -> None:
        given.append(deadline.remaining())
        raise CheckError("wrong")

    checks = [
        Check("a", "1", unreachable, 30),
        Check("a", "2", other, 30),
        Check("b", "3", other, 30),
        Check("b", "4", other, 30, frozenset({"a"})),
    ]
    assert all(result.outcome is Outcome.FAILED for result in run_checks(checks, STACK))
    assert [round(seconds) for seconds in given] == [30, 2, 30, 2]


def test_results_come_as_they_are_made() -> None:
    made: list[str] = []
    checks = [Check("a", name, lambda *_, name=name: made.append(name)) for name in "xy"]
    results = run_checks(checks, STACK)
    assert next(results).check.says == "x"
    assert made == ["x"]


def test_a_failure_is_one_line_of_bounded_length() -> None:
    check = Check("a", "b", lambda *_: None, look_at="there")
    text = line(Result(check, Outcome.FAILED, 1.5, "two\nlines " + "x" * 2000))
    assert "\n" not in text
    assert text.startswith("FAIL a b (1.500 s): two lines xxx")
    assert text.endswith("…; look at: there")
    assert len(text) < 600


def test_the_last_line_counts() -> None:
    check = Check("a", "b", lambda *_: None)
    results = [Result(check, outcome, 0) for outcome in (Outcome.PASSED, Outcome.PASSED, Outcome.LEFT_OUT)]
    assert last_line(results) == "2 passed, 0 failed, 1 left out"
    assert last_line([]) == "0 passed, 0 failed, 0 left out"
