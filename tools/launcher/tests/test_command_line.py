"""The command line of the launcher, and its exit statuses."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize("arguments", [[], ["sideways"], ["up", "more"], ["reload", "prometheus"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    assert launcher(*arguments).returncode == cli.WRONG_USAGE


def test_arguments_after_load_are_handed_to_the_load_test(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[str] = []

    def load(run: Run, arguments: Sequence[str]) -> int:
        handed.extend(arguments)
        return 7

    def open_run(root: Path, environ: object, *, may_install: bool, anew: bool) -> Run:
        return Run(Compose(root), {})

    monkeypatch.setattr("tools.launcher.commands.open_run", open_run)
    monkeypatch.setattr("tools.launcher.commands.WITH_ARGUMENTS", {"load": load})
    assert program.main(["load", "--help", "up", "-x"]) == 7
    assert handed == ["--help", "up", "-x"]


def test_an_error_is_one_message_with_its_exit_status() -> None:
    ran = launcher("status", environ={"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere.sock"})
    assert ran.returncode == cli.NO_RESULT
    assert ran.stderr.startswith("make status: No container engine answers")
    assert "Traceback" not in ran.stderr


def test_an_older_python_is_one_sentence() -> None:
    script = "import sys; sys.version_info = (3, 9, 2, 'final', 0); import tools"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 1
    assert ran.stderr == "Python 3.11 or later is needed, this is 3.9: make PYTHON=python3.11 TARGET\n"


def test_a_foreign_compose_file_is_one_sentence_of_every_verb() -> None:
    command = ["make", "--no-print-directory", "down"]
    environ = os.environ | {"COMPOSE_FILE": "/srv/shop/compose.yaml"}
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode
    assert ran.stderr.startswith("make down: COMPOSE_FILE is /srv/shop/compose.yaml")
