"""The Makefile's targets, its help, and the command line behind them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tools.launcher import commands
from tools.launcher.__main__ import VERBS, main
from tools.launcher.tests.conftest import ROOT

_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", _MAKEFILE, flags=re.MULTILINE)


def test_help_lists_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make ([a-z-]+) +\S", said, flags=re.MULTILINE) == TARGETS


def test_help_is_what_make_alone_does() -> None:
    alone = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert alone == subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_target_is_phony() -> None:
    phony = re.findall(r"^\.PHONY: (.*)$", _MAKEFILE, flags=re.MULTILINE)[0].split()
    assert sorted(phony) == sorted(TARGETS)


def test_the_makefile_and_the_launcher_know_the_same_verbs() -> None:
    called = re.findall(r"^\t\$\(LAUNCHER\) ([a-z]+)", _MAKEFILE, flags=re.MULTILINE)
    assert sorted(called) == sorted([*VERBS, "load"])


@pytest.mark.parametrize("arguments", [[], ["sideways"], ["up", "more"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tools.launcher", *arguments], cwd=ROOT, capture_output=True, check=False
    )
    assert ran.returncode == 2


def test_what_follows_load_is_handed_to_the_load_test(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[str] = []

    def load(run: commands.Run, arguments: list[str]) -> int:
        handed.extend(arguments)
        return 7

    monkeypatch.setattr(commands, "load", load)
    assert main(["load", "--help", "up", "-x"]) == 7
    assert handed == ["--help", "up", "-x"]


def test_an_error_is_one_message_and_status_1() -> None:
    command = [sys.executable, "-m", "tools.launcher", "status"]
    environ = {"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere.sock"}
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "No container engine answers" in ran.stderr
    assert "Traceback" not in ran.stderr
