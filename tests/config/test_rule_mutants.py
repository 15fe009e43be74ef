"""The rule tests can fail: of the changes that `make mutate-rules` makes to the rules, a random sample is noticed."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from tests.config.containers import ROOT, needs_engine
from tools import cli

SECONDS = 60


@needs_engine
def test_a_sample_of_changes_to_the_rules_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(2**31)
    command = [sys.executable, "-m", "tools.mutate_rules", f"--seconds={SECONDS}", f"--seed={seed}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    with capsys.disabled():
        # Standard error: a process of pytest-xdist has no other way to the terminal.
        print("", *done.stdout.splitlines()[-2:], sep="\n", file=sys.stderr)
    assert done.returncode == cli.OK, f"{' '.join(command[1:])}\n{done.stderr}\n{done.stdout}"
