"""The rule tests can fail: of the changes that `make mutate-rules` makes to the rules, a random sample is noticed."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from tests.config.containers import ROOT, needs_engine
from tools import cli

SECONDS = 40
# `make mutate-rules` tries all of them and needs 95 %. A sample is some 20 of 1,400: by chance its share may be far
# lower, and a rule without tests still shows.
LEAST_SHARE = 0.6


@needs_engine
def test_a_sample_of_changes_to_the_rules_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(2**31)
    command = [sys.executable, "-m", "tools.mutate_rules", f"--seconds={SECONDS}", f"--seed={seed}", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (cli.OK, cli.FAILED), f"{' '.join(command[1:])}\n{done.stderr}"
    report = json.loads(done.stdout)
    survived = [result for result in report["results"] if result["verdict"] != "caught" and not result["accepted"]]
    with capsys.disabled():
        # Standard error: a process of pytest-xdist has no other way to the terminal.
        print(f"\nrules: {report['caught']} of {report['tried']} changes noticed, seed {seed}", file=sys.stderr)
    assert report["tried"] > 0
    assert report["caught"] >= LEAST_SHARE * report["tried"], f"{' '.join(command[1:])}\n{survived}"
