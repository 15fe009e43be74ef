"""make check-dashboards, report and screenshots, with a `docker` of our own that notes what it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import ROOT, cli
from tools.dashboards.screenshots import find_chromium, pictures
from tools.tests.made_up_stack import running_prometheus

FIGURES = {"scenario": "mixed", "problems": ["P95 is over 1 s"]}
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """What the programs in containers were told, a line each."""
    return tmp_path / "told"


@pytest.fixture
def command(tmp_path: Path, told: Path) -> Command:
    """Run python3 -m tools.dashboards beside that docker. `tools_status` is what the container's programs end with."""

    def run(
        *arguments: str, port: int = 0, tools_status: int = 0, built: bool = True
    ) -> subprocess.CompletedProcess[str]:
        ports = [{"target": 9091, "published": str(port or 1), "host_ip": "127.0.0.1"}]
        tools = {"image": "tools:x", "build": {"context": "."}, "profiles": ["dashboard-tools"]}
        load = {"image": "load:x", "build": {"context": "."}, "profiles": ["loadtest"]}
        services = {"settings": {"image": "x"}, "reverse-proxy": {"image": "x", "ports": ports}}
        config = {"name": "x", "services": services | {"dashboard-tools": tools, "loadtest": load}}
        (tmp_path / "config").write_text(json.dumps(config))
        (tmp_path / "figures").write_text(json.dumps(FIGURES))
        (tmp_path / "docker").write_text(
            f"""#!/bin/sh
case "$*" in
  *" config "*) cat {tmp_path}/config ;;
  *" build dashboard-tools"|*"image inspect tools:x"*) {"true" if built else "false"} ;;
  *" loadtest "*) echo "$*" >>{told}; cat {tmp_path}/figures; exit 1 ;;
  *" dashboard-tools "*)
    echo "$*" >>{told}
    case "$*" in *--result*) echo "stdin: $(cat)" >>{told} ;; esac
    echo "/tmp/report.html: 2.2 MB" >&2; printf 'page of data'; exit {tools_status} ;;
  *" --short"*) echo 2.40.0 ;;
  *version*) echo 28.0.0 ;;
esac
"""
        )
        (tmp_path / "docker").chmod(0o755)
        return subprocess.run(
            [sys.executable, "-m", "tools.dashboards", *arguments],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("status", [0, 1])
def test_all_dashboards_are_checked_and_the_status_is_that_of_the_check(
    command: Command, told: Path, status: int
) -> None:
    assert command("check", tools_status=status).returncode == status
    (line,) = told.read_text().splitlines()
    assert "run --rm --no-deps -T dashboard-tools check.mjs /dashboards/" in line
    assert "--prometheus" not in line
    for file in (ROOT / "grafana/dashboards").glob("*/*.json"):
        assert f" /dashboards/{file.parent.name}/{file.name}" in line


def test_with_data_the_prometheus_of_the_stack_is_asked(command: Command, told: Path) -> None:
    command("check", "--data", "--from", "now-5m", "grafana/dashboards/en/gte-overview.json")
    expected = "check.mjs --prometheus http://prometheus:9090 --from now-5m --to now /dashboards/en/gte-overview.json\n"
    assert told.read_text().endswith(expected)


def test_a_file_that_grafana_does_not_read_is_refused(command: Command) -> None:
    done = command("check", "README.md")
    assert done.returncode == cli.WRONG_USAGE
    assert "is no file of" in done.stderr


def test_without_the_image_there_is_no_result(command: Command, told: Path) -> None:
    done = command("check", built=False)
    assert done.returncode == cli.NO_RESULT
    assert "set NPM_REGISTRY in .env to a mirror" in done.stderr
    assert not told.exists()


def test_a_report_is_written_with_the_range_and_the_variables(command: Command, told: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "report.html"
    done = command("report", "--from", "now-1h", "--to", "now-5m", "--var", "task=ner", "--out", str(file))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{file}: 2.2 MB")
    assert file.read_text() == "page of data"
    assert "--from now-1h --to now-5m --var task=ner --out /tmp/report.html /dashboards/en/" in told.read_text()
    assert "/zh/" not in told.read_text()


def test_the_figures_of_a_load_test_stand_on_top(command: Command, told: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(FIGURES))
    assert command("report", "--result", str(tmp_path / "run.json"), "--out", str(tmp_path / "r.html")).returncode == 0
    assert f"stdin: {json.dumps(FIGURES)}\n" in told.read_text()
    (tmp_path / "run.json").write_text("mixed: 4 connections")
    refused = command("report", "--result", str(tmp_path / "run.json"))
    assert refused.returncode == cli.WRONG_USAGE
    assert "is not what the load test writes with --json" in refused.stderr


def test_a_load_test_is_run_first_and_its_time_reported_on_once_it_is_scraped(
    command: Command, told: Path, tmp_path: Path
) -> None:
    scrapes = iter([["0", "1"], ["0", "9999999999.5"]])
    answer = {"status": "success", "data": {"result": []}}

    def scraped(path: str) -> object:
        answer["data"] = {"result": [{"value": next(scrapes)}]}
        return answer

    with running_prometheus(scraped) as port:
        out = str(tmp_path / "r.html")
        done = command("report", "--load", "--duration 9 --connections 2", "--out", out, port=port)
    load, report, figures = told.read_text().splitlines()
    assert load.endswith("loadtest --duration 9 --connections 2 --json -")
    assert " --to 9999999999500 --result /dev/stdin --out " in report
    assert figures == f"stdin: {json.dumps(FIGURES)}"
    assert done.returncode == cli.FAILED, "the load test's own status is kept"
    assert Path(out).exists()


@pytest.mark.parametrize(("status", "expected"), [(2, cli.WRONG_USAGE), (3, cli.NO_RESULT), (137, cli.NO_RESULT)])
def test_where_no_report_can_be_made_none_is_written(
    command: Command, tmp_path: Path, status: int, expected: int
) -> None:
    done = command("report", "--out", str(tmp_path / "r.html"), tools_status=status)
    assert done.returncode == expected
    assert "the report could not be made" in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_every_page_is_taken_with_a_dashboard_for_each_uid_in_its_languages() -> None:
    taken = {picture.name: picture.path for picture in pictures(["one", "one-zh", "two", "two-zh"])}
    assert list(taken) == ["service", "dashboard-one", "dashboard-two", "inbox"]
    assert taken["dashboard-two"].format("-zh").startswith("/d/two-zh?from=")


def test_without_a_browser_one_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(cli.UsageError, match="no Chromium on the PATH") as raised:
        find_chromium(None)
    assert "apt-get install chromium" in str(raised.value)
    with pytest.raises(cli.UsageError, match="no brave on the PATH"):
        find_chromium("brave")
    (tmp_path / "google-chrome").write_text("")
    (tmp_path / "google-chrome").chmod(0o755)
    assert find_chromium(None) == str(tmp_path / "google-chrome")
