"""Settings are checked once, and a wrong one is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn.config import KNOWN_SETTINGS

from gte_service.errors import SettingsError
from gte_service.serving import gunicorn_conf
from gte_service.settings import read_settings


def test_an_empty_value_means_the_default() -> None:
    assert read_settings({"GTE_WORKERS": "", "GTE_MODEL": " "}) == read_settings({})


def test_the_page_links_to_what_there_is() -> None:
    addresses = {"GTE_GRAFANA_URL": "http://g:3000", "GTE_PROMETHEUS_URL": "http://p:9091"}
    assert read_settings(addresses).links == {"Dashboards": "http://g:3000", "Prometheus": "http://p:9091"}
    assert read_settings(addresses | {"GTE_GRAFANA_URL": "none"}).links == {"Prometheus": "http://p:9091"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GTE_WORKERS", "0"),
        ("GTE_WORKERS", "two"),
        ("GTE_THREADS", "-1"),
        ("GTE_MODEL", "builtin:other"),
        ("GTE_MODEL", "gte"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        read_settings({name: value})


@pytest.mark.parametrize(
    ("cpus", "workers", "torch_threads", "computations"),
    [(0.5, 2, 1, 1), (1, 2, 1, 1), (2, 2, 2, 1), (3.9, 2, 3, 1), (8, 2, 8, 1), (16, 3, 8, 2), (64, 9, 8, 8)],
)
def test_the_cpus_decide_how_they_are_used(cpus: float, workers: int, torch_threads: int, computations: int) -> None:
    chosen = read_settings({}, cpus)
    assert (chosen.workers, chosen.torch_threads, chosen.computations) == (workers, torch_threads, computations)
    assert chosen.batch_tokens == 256 * torch_threads


def test_set_values_decide_the_others() -> None:
    chosen = read_settings({"GTE_TORCH_THREADS": "4"}, 16)
    assert (chosen.workers, chosen.torch_threads, chosen.computations) == (5, 4, 4)
    assert read_settings({"GTE_WORKERS": "7"}, 16).workers == 7
    assert read_settings({"GTE_BATCH_TOKENS": "100"}, 16).batch_tokens == 100


def test_a_wrong_setting_ends_the_process_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gte_service", "serve"],
        env=dict(os.environ) | {"GTE_WORKERS": "many", "GTE_RUN_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "gte-service: GTE_WORKERS='many' is not a whole number from 1 to 64. Correct it in .env."
    ]


@pytest.mark.parametrize(("deadline", "wanted"), [("", "35"), ("120", "125")])
def test_gunicorn_lets_a_request_in_flight_take_as_long_as_it_may(deadline: str, wanted: str) -> None:
    script = "from gte_service.serving import gunicorn_conf; print(gunicorn_conf.graceful_timeout)"
    environ = dict(os.environ) | {"GTE_DEADLINE_SECONDS": deadline}
    assert subprocess.check_output([sys.executable, "-c", script], env=environ, text=True).strip() == wanted


def test_every_key_of_the_gunicorn_configuration_is_a_setting() -> None:
    known = {setting.name for setting in KNOWN_SETTINGS}
    given = {name for name in vars(gunicorn_conf) if name == name.lower() and not name.startswith("_")}
    own = {"annotations", "join_metrics", "load_dictionary", "master_is_this_process", "most_connections"}
    assert given - own - {"read_settings"} <= known
    assert {"workers", "threads", "worker_class", "control_socket_disable", "on_starting", "post_fork"} <= given
