from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tools import ROOT, cli
from tools.bench_metrics import command, restarts
from tools.bench_metrics.processes import Child
from tools.bench_metrics.recording import FIRST_REQUESTS, WARM_UP, timed_app
from tools.bench_metrics.report import Row, table
from tools.bench_metrics.scrape import exporter, scrape
from tools.bench_metrics.workers import WORKERS, few, workers
from tools.server import server

# A test runner may have a thread of its own beside the tests, which Python 3.12 and later warn about at a fork.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
PROGRAM = [sys.executable, "-m", "tools.bench_metrics"]
SHORT = ["--rounds", "3", "--requests", "20", "--scrapes", "5", "--restarts", "20", "--pid-restarts", "6"]
SENT = FIRST_REQUESTS + WARM_UP + WARM_UP + 30
HTTP = {"flask_http_request_total": SENT, "flask_http_request_duration_seconds_count": SENT}
TASKS = {"gte_task_requests_total": SENT, "gte_task_latency_seconds_count": SENT}
PARTS = {"gte_phase_seconds_count": 4 * SENT, "gte_batch_texts_count": SENT, "gte_input_tokens_total": 14 * SENT}


def test_a_short_run_measures_everything_and_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*SHORT, "--memory", str(tmp_path), "--disk", str(tmp_path)]) in {cli.OK, cli.FAILED}
    lines = capsys.readouterr().out.splitlines()
    figures = [line for line in lines if line.startswith("  ")]
    assert len(figures) == 1 + 6 + 3 + 4 + 3
    assert sum(line.endswith(("pass", "FAIL")) for line in figures) == 4 + 1 + 4
    # Under process ids, six restarts leave two files each; in slots, none.
    assert [line.split()[1:5] for line in figures if line.startswith("  files ")][1] == ["12", "before,", "24", "after"]
    assert (
        sum(line.endswith("pass") for line in figures if line.startswith(("  files ", "  bytes ", "  requests "))) == 3
    )
    assert "264, difference +0" in "".join(figures)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "recorded"),
    [("bare", {}), ("flask-exporter", HTTP), ("monitor", HTTP | TASKS), ("service", HTTP | TASKS | PARTS)],
)
def test_each_app_records_what_it_is_measured_for(name: str, recorded: dict[str, int], tmp_path: Path) -> None:
    with Child(timed_app, name, tmp_path) as child:
        assert child.ask(30) > 0
        if name == "flask-exporter":
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]
            text = generate_latest(registry).decode()
        else:
            with exporter(tmp_path) as port:
                _, text = scrape(port)
    totals = {metric: restarts.total(text, metric) for metric in HTTP | TASKS | PARTS}
    assert {metric: total for metric, total in totals.items() if total} == recorded


def test_a_worker_more_than_expected_is_a_difference(tmp_path: Path) -> None:
    with workers(tmp_path, few()) as restart, exporter(tmp_path) as port:
        restart(1)
        assert restarts.difference(scrape(port)[1], WORKERS + 1) == 0
        assert restarts.difference(scrape(port)[1], WORKERS) == len(few())


@pytest.mark.parametrize(("figure", "missed"), [(100.0, 0), (100.1, 1), (float("nan"), 1)])
def test_a_missed_target_shows_in_its_row_and_in_the_status(
    figure: float, missed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("heading"), Row("without a target", "1 s", 1.0), Row("recording", "so much", figure, 100.0, "µs")]
    assert command.main([], lambda options: iter(rows)) == (cli.FAILED if missed else cli.OK)
    output = capsys.readouterr()
    assert output.out.splitlines()[-1].endswith("FAIL" if missed else "pass")
    assert ("1 of 1 targets missed" in output.err) == bool(missed)
    assert "\n".join(table(rows)).count("≤") == 1


@pytest.mark.parametrize("arguments", [["--parts", "scrapes"], ["--restarts", "0"], ["--disk", "/not/there"]])
def test_an_option_that_cant_be_used_is_refused(arguments: list[str]) -> None:
    run = subprocess.run([*PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (cli.WRONG_USAGE, "")
    assert arguments[1] in run.stderr


def test_help_needs_no_library() -> None:
    bare = [sys.executable, "-S", *PROGRAM[1:], "--help"]
    assert "--quick" in subprocess.check_output(bare, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, text=True)


def test_without_the_libraries_it_goes_on_in_the_environment_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "torch" else name)
    monkeypatch.setattr(command, "ensure", lambda environment, settings: Path("/made/bin/python"))
    monkeypatch.setattr(os, "execv", lambda *words: started.append(words))
    command.main(["--quick"], lambda options: iter(()))
    assert started == [(Path("/made/bin/python"), ["/made/bin/python", "-m", "tools.bench_metrics", "--quick"])]
    monkeypatch.setattr(sys, "prefix", "/made")
    with pytest.raises(cli.ToolError, match="has no torch"):
        command.main(["--quick"], lambda options: iter(()))


def _broken() -> Callable[[object], object]:
    raise ValueError("no such app")


def test_a_child_that_fails_or_is_killed_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(cli.ToolError, match="process broken ended with status 1"), Child(_broken):
        pass
    assert "no such app" in capfd.readouterr().err
    with Child(lambda: lambda question: question) as child:
        assert child.ask("x") == "x"
        os.kill(child.process.pid or 0, signal.SIGKILL)
        with pytest.raises(cli.ToolError, match="status -9"):
            child.ask("y")


def test_a_server_that_cant_start_is_reported_with_its_log() -> None:
    def check() -> None:
        raise cli.NoAnswerError("nothing answers.")

    with (
        pytest.raises(
            cli.ToolError, match=r"nothing answers. Its log ends:\n.*No module named no_such_module"
        ) as caught,
        server(["no_such_module"], check, {}),
    ):
        pass
    assert caught.value.status == cli.NO_RESULT


def test_ctrl_c_leaves_no_process_and_no_file_behind(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [*PROGRAM, "--parts", "restarts", "--memory", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr
    for line in run.stderr:
        if "restarts: 0 of" in line:
            break
    assert len(list(tmp_path.iterdir())) == 2
    # The line may come before the last of them.
    deadline = time.monotonic() + 30
    while len(children := set(_children(run.pid))) < 2 * WORKERS + 2:
        assert time.monotonic() < deadline, children
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    assert "interrupted" in run.communicate(timeout=60)[1]
    assert run.returncode == cli.INTERRUPTED
    assert list(tmp_path.iterdir()) == []
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_an_interrupt_at_a_fork_is_not_lost() -> None:
    """Python prints what is raised in a function that is called at a fork, and forgets it."""
    script = (
        "import os, signal; from tools.bench_metrics.processes import Child\n"
        "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "Child(lambda: print)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Exception ignored" not in run.stderr
    assert run.stderr.endswith("KeyboardInterrupt\n")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
