"""A whole run on the real engine, the real service and real HTTP, with a model that is small enough for every day."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import ROOT
from tools.bench.docker import PROJECT, docker
from tools.launcher.container_engine import ask_engine


@pytest.mark.skipif(not ask_engine().version, reason="no container engine answers on this host")
def test_a_small_run_measures_what_it_should_and_leaves_nothing(tmp_path: Path) -> None:
    words = "--shape tiny --candidates ours-fp32,ours-int8 --texts 6 --rounds 2 --clients 1,2"
    ended = subprocess.run(
        [sys.executable, "-m", "tools.bench", *words.split(), "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (table,) = tmp_path.glob("*.md")
    assert ended.stdout == table.read_text(encoding="utf-8")
    assert "| ours, int8 | 2 |" in ended.stdout
    (raw,) = tmp_path.glob("*.json")
    found = json.loads(raw.read_text(encoding="utf-8"))
    assert found["complete"] is True
    found = found["results"]
    assert {name: len(turns) for name, turns in found["engines"].items()} == {
        "ours-fp32": 2, "ours-int8": 2, "peak": 2,
    }  # fmt: skip
    assert {name: len(slices) for name, slices in found["slices"].items()} == {"ours-fp32": 4, "ours-int8": 4}
    for slices in found["slices"].values():
        assert all(len(part["latencies"]) == 6 and not part["errors"] for part in slices)
    assert set(found["memory"]) == {"ours-fp32", "ours-int8", "ours-fp32-4-workers"}
    assert docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}") == ""
    assert docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}") == ""
