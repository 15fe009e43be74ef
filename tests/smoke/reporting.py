"""Tells what became of the checks: a line for each, the counts, and the same as JSON."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.smoke.fixtures import RUN, services_of

OUTCOMES = {"passed": "ok", "failed": "FAILED", "left_out": "LEFT OUT"}
LONGEST_REASON = 500


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --json."""
    parser.addoption("--json", metavar="FILE", help="write the results as JSON too; - is standard output")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the report; with JSON on standard output, the lines go to standard error."""
    if config.option.json == "-":
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(pytest.TerminalReporter(config, sys.stderr), "terminalreporter")
    config.pluginmanager.register(Report(config), "smoke-report")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: Any) -> None:
    """Note what the check is about; JUnit's report has these properties too."""
    services = services_of(item)
    marker = item.get_closest_marker("look_at")
    look_at = marker.args[0] if marker else "docker compose logs {services}"
    params = item.callspec.params if hasattr(item, "callspec") else {}
    # test_scrapes[grafana] reads "scrapes grafana".
    words = re.sub(r"\[(.*)\]$", r" \1", item.name.removeprefix("test_").replace("_", " "))
    where = look_at.format(services=" ".join(services), **params)
    item.user_properties += [("service", services[0]), ("check", words), ("look_at", where)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in one line why a check didn't pass, with the last answer that it saw."""
    report = yield
    if call.excinfo:
        error = call.excinfo.value
        plain = isinstance(error, AssertionError | pytest.fail.Exception | pytest.skip.Exception)
        reason = str(error) if plain else f"{type(error).__name__}: {error}"
        last = report.capstdout.splitlines()[-1:]
        if report.failed and last and "http://" not in reason:
            reason += f" (last answer: {last[0]})"
        reason = " ".join(reason.split())
        cut = reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"
        report.user_properties.append(("reason", cut))
    return report


class Report:
    """The lines on the terminal and the JSON of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._checks: list[dict[str, Any]] = []

    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Keep pytest from printing a mark of its own."""
        return "", "", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the line of a check as soon as it is known what became of it."""
        if report.when != "call" and report.passed:
            return
        check: dict[str, Any] = dict(report.user_properties)
        check["outcome"] = "left_out" if report.skipped else report.outcome
        check["seconds"] = round(report.duration, 3)
        self._checks.append(check)
        line = f"{OUTCOMES[check['outcome']]:8} {report.duration:8.2f} s  {check['service']} {check['check']}"
        line += f": {check['reason']}" if "reason" in check else ""
        self._print(line + (f"; look at: {check['look_at']}" if report.failed else ""))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Print the counts; a run in which nothing was checked has not passed."""
        if self._config.option.collectonly:
            return
        run = self._config.stash[RUN]
        counts = {outcome: sum(check["outcome"] == outcome for check in self._checks) for outcome in OUTCOMES}
        self._print(f"run {run.word}, {time.time() - run.began:.1f} s")
        if session.exitstatus == pytest.ExitCode.OK and not counts["passed"]:
            self._print("nothing was checked: all that was asked for is left out")
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        self._print(", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in counts.items()))
        if file := self._config.option.json:
            text = json.dumps({"run": run.word, **counts, "checks": self._checks}, ensure_ascii=False, indent=1) + "\n"
            sys.stdout.write(text) if file == "-" else Path(file).write_text(text, encoding="utf-8")

    def _print(self, line: str) -> None:
        self._config.get_terminal_writer().line(line, flush=True)
