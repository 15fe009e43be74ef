"""A wrong setting ends the start with one line that says what to do."""

import os
import subprocess
from pathlib import Path

import pytest
from running_viewer import COMMAND

from dashboard_viewer.settings import Settings, read_settings


def test_the_defaults_are_those_of_the_container(tmp_path: Path) -> None:
    folders = {"DASHBOARD_VIEWER_PAGE": str(tmp_path), "DASHBOARD_VIEWER_DASHBOARDS": str(tmp_path)}
    links = {"prometheus": "", "alertmanager": "", "inbox": ""}
    hosts = frozenset({"localhost"})
    assert read_settings(folders) == Settings(tmp_path, tmp_path, "http://prometheus:9090", "15s", "", links, hosts)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PAGE", "/nowhere/at/all", "which is no folder; create or mount it"),
        ("DASHBOARDS", "/nowhere/at/all", "which is no folder; create or mount it"),
        ("PROMETHEUS", "prometheus:9090", "give an address such as http://127.0.0.1:9090"),
        ("PROMETHEUS_URL", "javascript:alert(1)", "give an address such as"),
        ("ALERTMANAGER_URL", "javascript://a/%0aalert(1)", "give an address such as"),
        ("INBOX_URL", "http://a b", "give an address such as"),
        ("SCRAPE_INTERVAL", "often", "give the scrape_interval of prometheus.yml"),
        ("SCRAPE_INTERVAL", "0s", "give the scrape_interval of prometheus.yml"),
        ("LANGUAGE", "fr", "give en or zh"),
        ("ALLOWED_HOSTS", "monitor.example:3000", "write names alone, without http:// or a port"),
    ],
)
def test_a_wrong_setting_ends_with_2_and_one_line(tmp_path: Path, name: str, value: str, expected: str) -> None:
    folders = {"DASHBOARD_VIEWER_PAGE": str(tmp_path), "DASHBOARD_VIEWER_DASHBOARDS": str(tmp_path)}
    ended = subprocess.run(
        [*COMMAND, "--bind", "127.0.0.1:0"],
        env={**os.environ, **folders, f"DASHBOARD_VIEWER_{name}": value},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert ended.returncode == 2
    assert line.startswith(f"dashboard-viewer: DASHBOARD_VIEWER_{name} is '{value}'")
    assert expected in line


def test_gunicorn_takes_every_setting_from_the_module(tmp_path: Path) -> None:
    folders = {"DASHBOARD_VIEWER_PAGE": str(tmp_path), "DASHBOARD_VIEWER_DASHBOARDS": str(tmp_path)}
    environment = {**os.environ, **folders}
    printed = subprocess.run([*COMMAND, "--print-config"], env=environment, capture_output=True, text=True, check=True)
    taken = {line.replace(" ", "") for line in printed.stdout.splitlines()}
    wanted = ("workers=1", "threads=8", "worker_class=gte_monitoring.clients.patient_worker.PatientWorker",
              "worker_tmp_dir=/dev/shm", "graceful_timeout=8",
              "control_socket_disable=True", "proc_name=dashboard-viewer")  # fmt: skip
    assert set(wanted) <= taken, printed.stdout
