"""Prometheus scrapes its targets, in a small stack of real containers, described by compose.yaml."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.config.containers import ROOT, docker, image_of, needs_engine, unique, wait_for
from tests.config.server import Server, running_server, selectors

pytestmark = needs_engine

# Free ports, so that this passes beside a running stack.
PORTS = {f"{service}_PORT": "0" for service in ("PROMETHEUS", "ALERTMANAGER", "NODE_EXPORTER")}


@dataclass(frozen=True)
class Stack:
    """The containers of this test.

    Attributes:
        compose: how a compose command on them begins.
        prometheus: to ask.
        replicas: containers that answer to the name gte-service.
    """

    compose: tuple[str, ...]
    prometheus: Server
    replicas: tuple[str, ...]

    def targets(self) -> dict[tuple[str, str], str]:
        """Health of the active targets by job and instance."""
        active: list[dict[str, Any]] = self.prometheus.get("targets", state="active")["activeTargets"]
        return {(target["labels"]["job"], target["labels"]["instance"]): target["health"] for target in active}

    def samples(self, query: str) -> list[dict[str, Any]]:
        """The samples that an instant query gives."""
        result: list[dict[str, Any]] = self.prometheus.get("query", query=query)["result"]
        return result


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    project = unique("scrape")
    compose = ("compose", f"--project-name={project}")
    replicas = (f"{project}-replica-1", f"{project}-replica-2")
    try:
        docker(*compose, "up", "--detach", "--wait", "prometheus", "alertmanager", "node-exporter", settings=PORTS)
        for replica in replicas:
            # Any exporter will do: what matters is that two addresses answer to one name.
            docker(
                "run", "--detach", f"--name={replica}", f"--network={project}_default", "--network-alias=gte-service",
                image_of("node-exporter"), "--web.listen-address=:9090",
            )  # fmt: skip
        yield Stack(compose, Server(docker(*compose, "ps", "--quiet", "prometheus").strip()), replicas)
    finally:
        for replica in replicas:
            docker("rm", "--force", replica)
        docker(*compose, "down", "--volumes", "--timeout=1")


@pytest.fixture(scope="module")
def scraped(stack: Stack) -> Stack:
    wait_for(
        "all targets have been scraped",
        lambda: len(stack.targets()) >= 6 and "unknown" not in stack.targets().values() and stack.samples("node_load1"),
    )
    return stack


def test_every_replica_is_a_target_of_its_own(scraped: Stack) -> None:
    replicas = [health for (job, _), health in scraped.targets().items() if job == "gte-service"]
    assert replicas == ["up", "up"]


def test_targets_of_single_containers_have_names_that_outlive_them(scraped: Stack) -> None:
    assert {key: health for key, health in scraped.targets().items() if key[0] != "gte-service"} == {
        ("node-exporter", "node-exporter:9100"): "up",
        ("alertmanager", "alertmanager:9093"): "up",
        ("prometheus", "localhost:9090"): "up",
        # Not started here: it must show as down rather than vanish.
        ("alert-inbox", "alert-inbox:5001"): "down",
    }


def test_a_stack_without_grafana_has_no_dead_target(scraped: Stack) -> None:
    assert "grafana" not in {job for job, _ in scraped.targets()}


def test_alertmanager_is_found(scraped: Stack) -> None:
    (found,) = scraped.prometheus.get("alertmanagers")["activeAlertmanagers"]
    assert found["url"].endswith(":9093/api/v2/alerts")


def test_every_collector_of_the_host_works(scraped: Stack) -> None:
    assert scraped.samples('node_scrape_collector_success{job="node-exporter"} == 1')
    assert scraped.samples('node_scrape_collector_success{job="node-exporter"} == 0') == []


def test_the_hosts_root_is_seen_and_not_the_containers(scraped: Stack) -> None:
    mounted = 'node_filesystem_size_bytes{job="node-exporter"}'
    (root,) = [sample for sample in scraped.samples(mounted) if sample["metric"]["mountpoint"] == "/"]
    blocks, size = docker(*scraped.compose, "exec", "node-exporter", "stat", "-f", "-c", "%b %S", "/host").split()
    assert float(root["value"][1]) == int(blocks) * int(size)
    mounts = {sample["metric"]["mountpoint"] for sample in scraped.samples(mounted)}
    assert [mount for mount in mounts if re.match("/(etc|proc|sys|dev|host)(/|$)", mount)] == []


def test_no_figure_of_the_containers_own_network_passes_for_the_hosts(scraped: Stack) -> None:
    assert scraped.samples('{__name__=~"node_(network|netstat|sockstat|uname).*",job="node-exporter"}') == []


def test_every_figure_of_the_host_that_is_asked_for_exists(scraped: Stack) -> None:
    dashboards = [json.loads(path.read_text()) for path in (ROOT / "grafana" / "dashboards").glob("*.json")]
    shown = [target["expr"] for board in dashboards for panel in board["panels"] for target in panel.get("targets", ())]
    with running_server() as server:
        rules = [rule["query"] for rule in server.alerts() + server.recordings()]
        panels = [server.parse(re.sub(r"\$__\w+", "1m", expression)) for expression in shown]
        asked = {selector.metric for parsed in map(server.parse, rules) for selector in selectors(parsed)}
        asked |= {selector.metric for parsed in panels for selector in selectors(parsed)}
    of_the_host = sorted(metric for metric in asked if metric.startswith("node_"))
    assert of_the_host
    assert [metric for metric in of_the_host if not scraped.samples(f'{metric}{{job="node-exporter"}}')] == []


def test_rules_are_evaluated_without_failure(scraped: Stack) -> None:
    groups = wait_for(
        "every rule has been evaluated",
        lambda: [
            group
            for group in scraped.prometheus.get("rules")["groups"]
            if all(rule["health"] != "unknown" for rule in group["rules"])
        ],
    )
    assert {rule["name"]: rule["health"] for group in groups for rule in group["rules"] if rule["health"] != "ok"} == {}


def test_the_log_holds_no_warning(scraped: Stack) -> None:
    log = subprocess.run(
        ["docker", *scraped.compose, "logs", "--no-log-prefix", "prometheus"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = (log.stdout + log.stderr).splitlines()
    assert any("Server is ready" in line for line in lines)
    # Where the host has no DNS server at all, a name that is not there is an error rather than a "no".
    bad = [line for line in lines if "level=INFO" not in line and "could not resolve" not in line]
    assert bad == []


# Last: it takes the replicas away.
def test_the_target_of_a_killed_container_goes_and_the_alert_comes(scraped: Stack) -> None:
    docker("kill", *scraped.replicas)
    wait_for("no replica is up", lambda: not scraped.samples('up{job="gte-service"} == 1'), seconds=30)
    wait_for("GTE_ServiceDown waits for its 30 s", lambda: scraped.samples('ALERTS{alertname="GTE_ServiceDown"}'))
