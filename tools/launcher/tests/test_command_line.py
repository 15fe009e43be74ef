"""The command line of the launcher, and its exit statuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import ROOT, cli
from tools.launcher import __main__ as program
from tools.launcher.commands import Run
from tools.launcher.compose import Compose


def launcher(*arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.launcher", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [[], ["sideways"], ["up", "more"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    assert launcher(*arguments).returncode == cli.WRONG_USAGE


def test_arguments_after_load_are_handed_to_the_load_test(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[str] = []

    def load(run: Run, arguments: Sequence[str]) -> int:
        handed.extend(arguments)
        return 7

    def open_run(root: Path, environ: object, *, may_install: bool) -> Run:
        return Run(Compose(root), {})

    monkeypatch.setattr("tools.launcher.commands.open_run", open_run)
    monkeypatch.setattr("tools.launcher.commands.load", load)
    assert program.main(["load", "--help", "up", "-x"]) == 7
    assert handed == ["--help", "up", "-x"]


def test_an_error_is_one_message_with_its_exit_status() -> None:
    ran = launcher("status", environ={"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere.sock"})
    assert ran.returncode == cli.NO_RESULT
    assert ran.stderr.startswith("make status: No container engine answers")
    assert "Traceback" not in ran.stderr
