"""The links of the project's Markdown pages, and those of its alerts: whole, whatever host and ports are set."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.config.containers import docker, needs_engine, unique, wait_for
from tests.config.documents import documents
from tools import ROOT

_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")

# For the test of links in alerts: in place of the project's own rules.
_RULES = """
groups:
  - name: links
    rules:
      - alert: Linked
        # Not before Alertmanager is found: an alert that can't be delivered is sent again only a minute later.
        expr: sum(prometheus_notifications_alertmanagers_discovered) > 0
        annotations:
          runbook_url: "{{ $externalLabels.inbox_url }}/runbooks/Linked"
          dashboard_url: "{{ $externalLabels.grafana_url }}/d/gte-overview"
"""
_HOST = "monitoring.example"
_PORTS = {"ALERT_INBOX_PORT": "6001", "GRAFANA_PORT": "6002", "PROMETHEUS_PORT": "6003", "ALERTMANAGER_PORT": "6004"}


@pytest.mark.parametrize("page", documents())
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    links = _LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_each_address_for_a_browser_stands_once_in_compose() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    addresses = re.findall(r"https?://[^\s]*?\$\{(\w+_PORT)", text)
    assert sorted(addresses) == sorted(_PORTS)


@needs_engine
def test_every_page_gets_the_addresses_of_the_others_with_the_host_and_the_ports_that_are_set() -> None:
    shown = docker("compose", "config", "--format", "json", settings={"PUBLIC_HOST": _HOST, **_PORTS})
    services: dict[str, Any] = json.loads(shown)["services"]
    inbox, grafana, prometheus, alertmanager = (f"http://{_HOST}:{port}" for port in _PORTS.values())
    assert services["prometheus"]["environment"].items() >= {"INBOX_URL": inbox, "GRAFANA_URL": grafana}.items()
    for service, address in (("prometheus", prometheus), ("alertmanager", alertmanager)):
        command = services[service]["command"]
        assert command[command.index("--web.external-url") + 1] == address
    own = services["alert-inbox"]["environment"]
    assert {name: own[f"ALERT_INBOX_{name}URL"] for name in ("ALERTMANAGER_", "GRAFANA_", "")} == {
        "ALERTMANAGER_": alertmanager,
        "GRAFANA_": grafana,
        "": inbox,
    }
    assert services["grafana"]["environment"]["GF_SERVER_ROOT_URL"] == grafana
    shown = docker("compose", "config", "--format", "json", settings={"DASHBOARDS_URL": "none"})
    without = {name: service.get("environment") for name, service in json.loads(shown)["services"].items()}
    assert without["gte-service"]["GTE_GRAFANA_URL"] == without["alert-inbox"]["ALERT_INBOX_GRAFANA_URL"] == "none"
    service = services["gte-service"]["environment"]
    assert {name: service[name] for name in ("GTE_GRAFANA_URL", "GTE_PROMETHEUS_URL", "GTE_ALERT_INBOX_URL")} == {
        "GTE_GRAFANA_URL": grafana,
        "GTE_PROMETHEUS_URL": prometheus,
        "GTE_ALERT_INBOX_URL": inbox,
    }


@needs_engine
def test_an_alert_links_to_the_addresses_that_are_set_and_has_no_label_of_them(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "links.yml").write_text(_RULES)
    # pytest's folders are private, and Prometheus is another user.
    rules.chmod(0o755)
    override = tmp_path / "compose.yaml"
    override.write_text(json.dumps({"services": {"prometheus": {"volumes": [f"{rules}:/etc/prometheus/rules:ro"]}}}))
    # Ports of their own choice, so that this passes beside a running stack; nobody follows these two addresses here.
    settings = {"PUBLIC_HOST": _HOST, **_PORTS, "PROMETHEUS_PORT": "0", "ALERTMANAGER_PORT": "0"}
    files = ("--project-directory=.", "--file=compose.yaml", f"--file={override}")
    compose = ("compose", f"--project-name={unique('links')}", *files)

    def alerts() -> list[dict[str, Any]]:
        url = "http://127.0.0.1:9093/api/v2/alerts"
        found: list[dict[str, Any]] = json.loads(
            docker(*compose, "exec", "-T", "alertmanager", "wget", "-q", "-O", "-", url, settings=settings)
        )
        return found

    try:
        docker(*compose, "up", "--detach", "--wait", "prometheus", "alertmanager", settings=settings)
        (alert,) = wait_for("Alertmanager has the alert", alerts)
        assert alert["labels"] == {"alertname": "Linked"}
        assert alert["annotations"] == {
            "runbook_url": f"http://{_HOST}:6001/runbooks/Linked",
            "dashboard_url": f"http://{_HOST}:6002/d/gte-overview",
        }
        assert alert["generatorURL"].startswith(f"http://{_HOST}:0/graph?")
    finally:
        docker(*compose, "down", "--volumes", "--timeout=1", settings=settings)
