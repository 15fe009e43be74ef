"""The rule tests can fail: they notice a random sample of the changes that `make mutate-rules` makes to the rules."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from tests.config.containers import ROOT, needs_engine
from tools import cli

SECONDS = 40


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
    assert not survived, f"{' '.join(command[1:])}\nadd a test, or a reason to tools/mutate_rules/accepted.toml"
    assert not report["stale"]
