"""The Makefile's help is complete, and its targets call verbs that the launcher has."""

from __future__ import annotations

import re
import subprocess

from tools import ROOT
from tools.launcher.commands import VERBS, WITH_ARGUMENTS

_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", _MAKEFILE, flags=re.MULTILINE)


def test_help_lists_every_target() -> None:
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make ([a-z-]+) +\S", printed, flags=re.MULTILINE) == TARGETS


def test_help_is_what_make_alone_does() -> None:
    alone = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert alone == subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_target_is_phony() -> None:
    phony = re.findall(r"^\.PHONY: (.*)$", _MAKEFILE, flags=re.MULTILINE)[0].split()
    assert sorted(phony) == sorted(TARGETS)


def test_the_makefile_and_the_launcher_know_the_same_verbs() -> None:
    called = re.findall(r"^\t\$\(LAUNCHER\) ([a-z-]+)", _MAKEFILE, flags=re.MULTILINE)
    assert sorted(called) == sorted([*VERBS, *WITH_ARGUMENTS])
