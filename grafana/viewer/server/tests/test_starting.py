"""A wrong setting ends the start with one line that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn.config import KNOWN_SETTINGS, Config

from dashboard_viewer.server import gunicorn_settings
from dashboard_viewer.settings import Settings, read_settings


def test_the_defaults_are_those_of_the_container(tmp_path: Path) -> None:
    folders = {"DASHBOARD_VIEWER_PAGE": str(tmp_path), "DASHBOARD_VIEWER_DASHBOARDS": str(tmp_path)}
    links = {"prometheus_url": "", "alertmanager_url": "", "inbox_url": ""}
    assert read_settings(folders) == Settings(tmp_path, tmp_path, "http://prometheus:9090", "15s", links)


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
    ],
)
def test_a_wrong_setting_ends_with_2_and_one_line(tmp_path: Path, name: str, value: str, expected: str) -> None:
    folders = {"DASHBOARD_VIEWER_PAGE": str(tmp_path), "DASHBOARD_VIEWER_DASHBOARDS": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dashboard_viewer", "--bind", "127.0.0.1:0"],
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


def test_every_gunicorn_setting_is_one_that_gunicorn_knows() -> None:
    settings = gunicorn_settings("127.0.0.1:0")
    assert set(settings) <= {setting.name for setting in KNOWN_SETTINGS}
    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    assert (config.workers, config.worker_class_str, config.threads) == (1, "gthread", 8)
    assert config.control_socket_disable is True
