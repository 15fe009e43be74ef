"""`gte-service exporter` shows the service's own metrics beside the general ones, and ends in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from conftest import free_port, wait_for


def metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    environ = {
        "GTE_MODEL": "builtin:lexical",
        "GTE_METRICS_DIR": str(tmp_path),
        "GTE_RUN_DIR": str(tmp_path),
        "GTE_METRICS_LISTEN_PORT": str(port),
    }
    exporter = subprocess.Popen([sys.executable, "-m", "gte_service", "exporter"], env=dict(os.environ) | environ)
    try:
        shown = wait_for(lambda: metrics(port), "the metrics")
        exporter.send_signal(number)
        assert exporter.wait(20) == 0
    finally:
        exporter.kill()
        exporter.wait()
    assert "gte_model_ready 0.0" in shown
    assert "gte_workers 0.0" in shown
    assert 'process="supervisor"' in shown
    # Nobody has told it of a service beside it.
    assert "gte_probe_success{" not in shown
