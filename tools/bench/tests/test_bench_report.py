"""The report says what was measured: what was not is neither a figure nor a target reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import cli
from tools.bench.command import main
from tools.bench.docker import DockerError
from tools.bench.engines import PEAK, REFERENCE
from tools.bench.options import read_options
from tools.bench.report import Report, as_json, markdown
from tools.bench.results import Failure, Results, Slice, Turn
from tools.bench.services import OURS_4_WORKERS
from tools.bench.targets import targets


def full_results() -> Results:
    results = Results()
    for name, seconds in {PEAK: 1.0, REFERENCE: 1.25, "ours-int8": 0.625, "plain": 2.5, "infinity": 2.0}.items():
        results.engines[name] = [Turn(number, 8, 400, seconds * number) for number in (1, 2, 3)]
    for name, latency in {"ours-fp32": 0.1, "tutorial": 0.4, "infinity": 0.2}.items():
        results.slices[name] = [
            Slice(number, clients, latency * 2, 64, (latency,) * 64, {"status 500": 1} if name == "tutorial" else {})
            for number in (1, 2)
            for clients in (1, 8, 32)
        ] + [Slice(0, 8, 1000.0, 1, (1000.0,), {})]
    results.memory |= {OURS_4_WORKERS: 2000.0, "tutorial": 6000.0}
    results.first_start |= {"ours-fp32": 12.0, "tutorial": 30.0}
    results.second_start["ours-fp32"] = 5.0
    results.cosines["plain"], results.own_cosines["plain"] = 0.9999999, 0.99998
    return results


def rows(results: Results, *arguments: str) -> list[list[str]]:
    text = list(markdown(results, read_options(arguments), {"commit": "abc", "cpu": "some CPU"}))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text if line.startswith("|")]


def test_an_engine_has_its_rates_its_share_and_its_cosines() -> None:
    found = {row[0]: row[1:] for row in rows(full_results()) if len(row) == 8}
    assert found["ours, fp32"] == ["3.20", "160", "107 to 320", "80 %", "1.00", "–", "–"]
    assert found["ours, int8"][4] == "2.00"
    assert found["transformers, one text at a time"][-2:] == ["1.000000", "0.999980"]


def test_a_service_has_its_percentiles_and_its_errors_and_no_warm_up() -> None:
    found = [row for row in rows(full_results()) if row[:2] == ["the tutorial's service, 4 workers", "8"]]
    assert found == [
        ["the tutorial's service, 4 workers", "8", "80.00", "80.00 to 80.00", "400", "400", "400", "128", "2"]
    ]


def test_start_and_memory_are_told() -> None:
    found = [row for row in rows(full_results()) if len(row) == 4 and row[0].startswith(("ours, fp32", "the tut"))]
    assert found == [["ours, fp32", "12.0", "5.0", "–"], ["the tutorial's service, 4 workers", "30.0", "–", "6000"]]


def test_targets_have_their_ratio_and_whether_they_are_reached() -> None:
    found: dict[str, tuple[Any, bool | None]] = {
        target.name: (target.ratio, target.reached) for target in targets(full_results())
    }
    assert found["engine in fp32 / the machine's limit"] == (pytest.approx(0.8), False)
    assert found["engine in int8 / in fp32"] == (pytest.approx(2.0), True)
    assert found["texts/s, 8 clients: ours / tutorial"] == (pytest.approx(4.0), True)
    assert found["texts/s, 32 clients: ours / infinity"] == (pytest.approx(2.0), True)
    assert found["P95, 8 clients: ours / tutorial"] == (pytest.approx(0.25), True)
    assert found["memory: ours, 4 workers / the tutorial's, 4 workers"] == (pytest.approx(1 / 3), True)
    # 0.1 s against 2.5 s for 8 texts in round 1, and 5 s in round 2.
    ratio = pytest.approx((0.1 / (2.5 / 8) + 0.1 / (5 / 8)) / 2)
    assert found["mean seconds a text: HTTP, 1 client / plain transformers, one at a time"] == (ratio, True)


def test_a_target_that_was_not_measured_is_not_reached() -> None:
    assert {target.reached for target in targets(Results())} == {None}
    shown = [row for row in rows(Results()) if row[0].startswith("memory")]
    assert shown == [["memory: ours, 4 workers / the tutorial's, 4 workers", "–", "≤ 0.4", "not measured"]]


def test_failures_and_warnings_and_what_a_closed_loop_hides_are_told() -> None:
    results = full_results()
    results.failures.append(Failure("infinity", "it ended\nin two lines", "log"))
    results.warnings.append("Something is odd.")
    text = "\n".join(markdown(results, read_options(["--rounds", "1", "--shape", "tiny"]), {}))
    assert "**infinity failed: it ended**" in text
    assert "**Something is odd.**" in text
    assert "hides stalls" in text
    assert "One round has no spread" in text
    assert "these figures say nothing about GTE" in text


def test_topologies_have_their_names_and_no_targets() -> None:
    results = Results()
    results.slices["1x2"] = [Slice(1, 8, 2.0, 4, (0.5,) * 4, {})]
    found = rows(results, "--topologies")
    assert found[-1][:3] == ["1x2 (workers x torch threads)", "8", "2.00"]
    assert not [row for row in found if row[-1] == "not measured"]


def test_the_instructions_that_decide_the_ratios_are_told() -> None:
    machine = {"cpu": "some CPU", "instructions": ["avx2", "fma"], "limited_by": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
    text = "\n".join(markdown(full_results(), read_options([]), machine))
    assert "some CPU (avx2 fma, ONEDNN_MAX_CPU_ISA=AVX2), None CPUs" in text
    assert "some CPU (–), None CPUs" in "\n".join(markdown(full_results(), read_options([]), {"cpu": "some CPU"}))


def test_the_json_file_has_everything_raw() -> None:
    results = full_results()
    content = json.loads(json.dumps(as_json(results, read_options([]), {"cpu": "some CPU"})))
    assert content["machine"] == {"cpu": "some CPU"}
    assert content["options"]["clients"] == [1, 8, 32]
    assert content["results"]["engines"][REFERENCE][0]["seconds"] == 1.25
    assert len(content["results"]["slices"]["tutorial"]) == 7
    assert content["results"]["slices"]["tutorial"][0]["latencies"] == [0.4] * 64
    assert {"service": "tutorial", "clients": 8, "requests": 128, "mean": pytest.approx(0.4), "p50": 0.4, "p95": 0.4,
            "p99": 0.4} in content["latencies"]  # fmt: skip
    assert len(content["targets"]) == len(targets(results))


def run_main(out: Path, results: Results, *arguments: str, end: BaseException | None = None) -> int:
    def measure(report: Report) -> None:
        report.machine["commit"] = "abc"
        vars(report.results).update(vars(results))
        if end:
            raise end

    return main(["--out", str(out), *arguments], measure)


def written(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_a_run_writes_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(tmp_path / "new/folder", full_results()) == cli.OK
    content = written(tmp_path / "new/folder")
    assert (content["complete"], content["machine"]["commit"]) == (True, "abc")
    (table,) = (tmp_path / "new/folder").glob("*.md")
    assert table.read_text(encoding="utf-8") == capsys.readouterr().out


def test_a_failed_candidate_shows_in_the_status_and_the_report_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = full_results()
    results.failures.append(Failure("infinity", "it ended", ""))
    assert run_main(tmp_path, results) == cli.FAILED
    assert "failed: infinity" in capsys.readouterr().err
    assert written(tmp_path)["complete"] is True


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [(KeyboardInterrupt(), cli.INTERRUPTED, "interrupted"), (DockerError("it died"), cli.NO_RESULT, "it died")],
)
def test_a_run_that_ends_early_keeps_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], end: BaseException, status: int, reason: str
) -> None:
    assert run_main(tmp_path, full_results(), end=end) == status
    assert written(tmp_path)["complete"] is False
    assert f"**Incomplete: the run ended early ({reason}).**" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("end", "status"),
    [(DockerError("no engine"), cli.NO_RESULT), (KeyboardInterrupt(), cli.INTERRUPTED), (None, cli.NO_RESULT)],
)
def test_a_run_without_figures_writes_nothing(
    tmp_path: Path, end: BaseException | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(tmp_path, Results(), end=end) == status
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_wrong_usage_has_its_status(tmp_path: Path) -> None:
    assert run_main(tmp_path, full_results(), "--candidates", "tutorial", "--parts", "engine") == cli.WRONG_USAGE
