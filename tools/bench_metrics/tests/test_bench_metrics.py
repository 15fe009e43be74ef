"""The benchmark of the metrics: a short run of it, what restarts leave behind, and that a missed target shows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from conftest import wait_for
from gte_monitoring.exposition.slot_collector import SlotCollector
from tools.bench_metrics.app import environ_of
from tools.bench_metrics.child import ROOT, Child
from tools.bench_metrics.command import INTERRUPTED, MISSED, NO_FIGURES, WRONG_USAGE, main, measure
from tools.bench_metrics.errors import MeasuringError
from tools.bench_metrics.options import Options, read_options
from tools.bench_metrics.recording import Recorded
from tools.bench_metrics.report import MISSED as FAIL
from tools.bench_metrics.report import REACHED, lines
from tools.bench_metrics.restarts import Folder, Restarts, measure_pids, measure_slots
from tools.bench_metrics.results import Results, targets
from tools.bench_metrics.scrape import Scrapes
from tools.bench_metrics.statistic import percentile, quartiles
from tools.bench_metrics.turns import FIRST_REQUESTS, WARM_UP


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Everything, a few times."""
    folder = tmp_path_factory.mktemp("short")
    small = ["--rounds", "3", "--requests", "20", "--scrapes", "5", "--restarts", "20", "--pid-restarts", "6"]
    options = replace(read_options(small), memory=folder, disk=None)
    found = measure(options)
    assert list(folder.iterdir()) == []
    return found


def rows(results: Results) -> dict[str, str]:
    """What a table says of each thing, by its name."""
    table = [line for line in lines(results, "some machine") if line.startswith("  ")]
    return {line.split("  ")[1]: line for line in table}


def reached() -> Results:
    """Results by which every target is reached."""
    calm, after = Folder(22, 1000, [0.002]), Folder(22, 1000, [0.0025])
    return Results(
        recorded=[
            Recorded("bare", "", [60.0], [0.0]),
            Recorded("monitor", "memory", [85.0], [25.0]),
            Recorded("service", "disk", [110.0], [50.0]),
        ],
        over_http=[Recorded("bare", "", [500.0], [0.0]), Recorded("service", "memory", [625.0], [125.0])],
        scrapes=[Scrapes("idle", [0.02], 60_000, 700), Scrapes("loaded", [0.5], 60_000, 700)],
        slots=Restarts(10_000, calm, after, 110_044, 0.0),
        pids=Restarts(300, calm, Folder(612, 3000, [0.2]), 3344, 0.0),
    )


def test_a_short_run_has_a_row_for_all_that_is_measured(short: Results) -> None:
    found = rows(short)
    for what in (
        "no instrumentation", "prometheus_flask_exporter, multiprocess, files in memory",
        "TaskMonitor(app), files in memory", "all that the service records, files in memory",
        "4 workers, all tasks, idle", "4 workers, all tasks, while 4 clients send",
        "4 workers, every task, outcome and span of latency", "files", "bytes of metric files",
        "scrape without restarts, in turn with", "scrape after them", "requests counted", "scrape before",
    ):  # fmt: skip
        assert any(figure.isdigit() for figure in found[what]), what
    assert [each.way for each in short.over_http] == ["bare", "flask-exporter", "monitor", "service"]
    assert all(len(each.micros) == 3 and min(each.micros) > 0 for each in short.recorded + short.over_http)


def test_each_round_is_compared_with_the_bare_app_in_it(short: Results) -> None:
    for found in (short.recorded, short.over_http):
        bare = found[0].micros
        for each in found:
            assert each.more == [ours - theirs for ours, theirs in zip(each.micros, bare, strict=True)]


ALL = FIRST_REQUESTS + WARM_UP + 30
HTTP = {"flask_http_request_total": ALL, "flask_http_request_duration_seconds_count": ALL}
TASKS = {"gte_task_requests_total": ALL, "gte_task_latency_seconds_count": ALL}
PARTS = {"gte_phase_seconds_count": 4 * ALL, "gte_batch_texts_count": ALL, "gte_input_tokens_total": 14 * ALL}


@pytest.mark.parametrize(
    ("way", "recorded"),
    [("bare", {}), ("flask-exporter", HTTP), ("monitor", HTTP | TASKS), ("service", HTTP | TASKS | PARTS)],
)
def test_each_way_records_what_it_is_measured_for(way: str, recorded: dict[str, float], tmp_path: Path) -> None:
    with Child("turns", environ=environ_of(way, tmp_path)) as child:
        child.ask(30)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]
        collectors = {"flask-exporter": registry}
        sums: Counter[str] = Counter()
        for family in collectors.get(way, SlotCollector(tmp_path, alone=False)).collect():
            for sample in family.samples:
                sums[sample.name] += int(sample.value)
    assert {name: sums[name] for name in HTTP | TASKS | PARTS if sums[name]} == recorded


def test_the_scraped_services_show_all_tasks_and_the_worst_case_more(short: Results) -> None:
    series = {each.name: each.series for each in short.scrapes}
    assert list(series) == ["idle", "loaded", "worst"]
    assert 300 < series["idle"] <= series["loaded"] < 1000
    assert series["worst"] > series["idle"]
    assert all(len(each.seconds) == 5 for each in short.scrapes)


def test_500_restarts_leave_the_files_as_they_were_and_count_everything(tmp_path: Path) -> None:
    found = measure_slots(500, 3, tmp_path)
    assert (found.after.files, found.after.size) == (found.before.files, found.before.size)
    assert found.recorded == 504 * 11
    assert found.difference == 0
    assert list(tmp_path.iterdir()) == []


def test_by_process_id_each_restart_leaves_two_files(tmp_path: Path) -> None:
    found = measure_pids(20, 1, tmp_path)
    assert (found.before.files, found.after.files) == (12, 12 + 2 * 20)
    assert found.after.size > 2 * found.before.size


def test_targets_that_are_reached_give_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], lambda options: reached()) == 0
    table = capsys.readouterr().out
    assert (table.count(REACHED), table.count(FAIL)) == (len(list(targets(reached()))), 0)


MISSES: dict[str, Callable[[Any], object]] = {
    "all that the service records, files on a disk": lambda found: found.recorded[2].more.__setitem__(0, 50.1),
    "TaskMonitor(app), files in memory": lambda found: found.recorded[1].more.__setitem__(0, float("nan")),
    "4 workers, all tasks, idle": lambda found: found.scrapes[0].seconds.__setitem__(0, 0.0201),
    "files": lambda found: setattr(found, "slots", replace(found.slots, after=Folder(23, 1000, [0.0025]))),
    "bytes of metric files": lambda found: setattr(found, "slots", replace(found.slots, after=Folder(22, 1008, [0.0]))),
    "scrape after them": lambda found: found.slots.after.seconds.__setitem__(0, 0.00251),
    "requests counted": lambda found: setattr(found, "slots", replace(found.slots, difference=-1.0)),
}


@pytest.mark.parametrize("what", MISSES)
def test_a_missed_target_shows_in_its_row_and_in_the_status(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = replace(reached(), pids=None)
    MISSES[what](found)
    assert main([], lambda options: found) == MISSED
    assert "1 of 7 targets missed" in capsys.readouterr().err
    assert [name for name, line in rows(found).items() if line.endswith(FAIL)] == [what]


def test_what_was_not_measured_is_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    only = replace(reached(), recorded=[], slots=None)
    assert main([], lambda options: only) == 0
    assert capsys.readouterr().out.count(REACHED) == 1


@pytest.mark.parametrize(
    ("end", "status"), [(MeasuringError("a process ended"), NO_FIGURES), (KeyboardInterrupt(), INTERRUPTED)]
)
def test_a_run_that_breaks_off_has_no_table(
    end: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(options: Options) -> Results:
        raise end

    assert main([], broken) == status
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["--parts", "scrapes"], ["--restarts", "0"], ["--rounds", "x"]])
def test_a_wrong_option_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, lambda options: reached())
    assert ended.value.code == WRONG_USAGE


def test_a_folder_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--disk", "/not/there"], lambda options: reached()) == WRONG_USAGE
    assert "/not/there" in capsys.readouterr().err


def test_ctrl_c_leaves_no_process_and_no_file_behind(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "tools.bench_metrics", "--parts", "restarts"],
        cwd=ROOT, env={"TMPDIR": str(tmp_path), "PATH": ""}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stderr is not None
    wait_for(lambda: ": 0 of 10000" in str(run.stderr and run.stderr.readline()), "the restarts")
    marks = {path.name for path in folders(tmp_path)}
    assert len(marks) == 2
    run.send_signal(signal.SIGINT)
    assert "interrupted" in run.communicate(timeout=60)[1]
    assert run.returncode == INTERRUPTED
    assert not [path for path in folders(tmp_path) if path.name in marks]
    assert not [command for command in commands() if any(mark in command for mark in marks)]


def folders(temporary: Path) -> list[Path]:
    """Those of benchmarks, wherever they put them."""
    return [*temporary.glob("metrics-benchmark-*"), *Path("/dev/shm").glob("metrics-benchmark-*")]  # noqa: S108


def commands() -> list[str]:
    """The command lines of all processes."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text())
        except OSError:
            continue
    return found


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(1, 101)], 0.99) == 99.0
    assert quartiles([1.0, 2.0, 3.0, 4.0]) == (1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="no percentile"):
        percentile([], 0.5)
