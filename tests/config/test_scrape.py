"""Prometheus scrapes its targets, in a small stack of real containers, described by compose.yaml."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.config import boards
from tests.config.board_queries import OTHER_PROGRAMS
from tests.config.containers import ROOT, base_image_of, docker, needs_engine, unique, wait_for
from tests.config.server import Server, running_server, selectors

pytestmark = needs_engine

# An exporter with nothing but the list of replicas, which needs only the standard library, and one metric.
REPLICA = """
import os
from wsgiref.simple_server import make_server
from gte_monitoring.exposition.replica_list import with_replica_list

def metrics(environ, start):
    start("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
    return [f'served_by{{name="{os.uname().nodename}"}} 1\\n'.encode()]

make_server("", 9090, with_replica_list(metrics, 9090)).serve_forever()
"""
# Prints the host's files that the container can't open, list or run, and whether /proc and the root's size are there.
OPENED = """
import json, os, subprocess
def tried(path, open):
    try:
        open()
    except PermissionError:
        denied.append(path)
denied = []
for path in ("/host", "/host/etc"):
    tried(path, lambda: os.listdir(path))
for path in ("/host/etc/passwd", "/proc/self/root/host/etc/passwd"):
    tried(path, lambda: open(path).close())
tried("/host/bin/sh", lambda: subprocess.run(["/host/bin/sh", "-c", ""], check=False))
print(json.dumps([denied, "stat" in os.listdir("/proc"), os.statvfs("/host").f_blocks]))
"""
PACKAGE = "gte-monitoring/gte_monitoring"
MODULES = ("docker_dns.py", "exposition/replica_list.py")
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

    def clock(self) -> float:
        """The time now by Prometheus' clock."""
        return float(self.samples("vector(time())")[0]["value"][1])


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    project = unique("scrape")
    compose = ("compose", f"--project-name={project}")
    # As Compose names them.
    replicas = tuple(f"{project}-gte-service-{number}" for number in (1, 2, 3))
    try:
        docker(*compose, "up", "--detach", "--wait", "prometheus", "alertmanager", "node-exporter", settings=PORTS)
        for number, replica in enumerate(replicas, start=1):
            docker(
                "run", "--detach", f"--name={replica}", f"--hostname=gte-service-{number}",
                f"--network={project}_scrape", "--network-alias=gte-service",
                *(f"--volume={ROOT / PACKAGE / module}:/app/gte_monitoring/{module}:ro" for module in MODULES),
                "--env=PYTHONPATH=/app", base_image_of("gte-service"), "python", "-c", REPLICA,
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
        lambda: len(stack.targets()) >= 7 and "unknown" not in stack.targets().values() and stack.samples("node_load1"),
    )
    return stack


def test_every_replica_is_a_target_of_its_own_with_a_name(scraped: Stack) -> None:
    replicas = {instance: health for (job, instance), health in scraped.targets().items() if job == "gte-service"}
    assert replicas == {"gte-service-1": "up", "gte-service-2": "up", "gte-service-3": "up"}


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


def test_the_hosts_exporter_can_open_no_file_of_the_host_and_run_none(scraped: Stack) -> None:
    if "no Landlock" in docker(*scraped.compose, "logs", "node-exporter"):
        pytest.skip("this kernel has no Landlock, and the exporter's log says so")
    (started,) = json.loads(docker("inspect", docker(*scraped.compose, "ps", "--quiet", "node-exporter").strip()))
    assert started["Config"]["Entrypoint"] == ["python", "-I", "/start.py", "/usr/bin/node_exporter"]
    run = (*scraped.compose, "run", "--rm", "--no-deps", "-T", "--entrypoint=python", "node-exporter", "-I")
    # Without the program that starts it, all of it is there.
    free, *_ = json.loads(docker(*run, "-c", OPENED))
    assert free == []
    denied, listed, read = json.loads(docker(*run, "/start.py", "/usr/local/bin/python", "-c", OPENED))
    assert denied == ["/host", "/host/etc", "/host/etc/passwd", "/proc/self/root/host/etc/passwd", "/host/bin/sh"]
    assert (listed, read > 0) == (True, True)


def test_no_figure_of_the_containers_own_network_passes_for_the_hosts(scraped: Stack) -> None:
    assert scraped.samples('{__name__=~"node_(network|netstat|sockstat|uname).*",job="node-exporter"}') == []


def test_every_figure_of_the_host_that_is_asked_for_exists(scraped: Stack) -> None:
    shown = {one for model in boards.read().models.values() for one in boards.expressions(model)}
    with running_server() as server:
        rules = [rule["query"] for rule in server.alerts() + server.recordings()]
        server.parse_ahead([*rules, *map(boards.filled_in, shown)])
        panels = [server.parse(boards.filled_in(expression)) for expression in shown]
        asked = {selector.metric for parsed in map(server.parse, rules) for selector in selectors(parsed)}
        asked |= {selector.metric for parsed in panels for selector in selectors(parsed)}
    of_the_host = sorted(metric for metric in asked if metric.startswith("node_"))
    assert of_the_host
    assert [metric for metric in of_the_host if not scraped.samples(f'{metric}{{job="node-exporter"}}')] == []


# The other programs are part of the whole stack only.
@pytest.mark.parametrize("job", ["node-exporter", "prometheus", "alertmanager"])
def test_every_figure_of_another_program_that_a_dashboard_shows_exists(job: str, scraped: Stack) -> None:
    asked = OTHER_PROGRAMS[job]
    assert [metric for metric in asked if not scraped.samples(f'{metric}{{job="{job}"}}')] == []


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
    # Prometheus may ask for the replicas before the first of them listens.
    expected = ("could not resolve", "/replicas")
    bad = [line for line in lines if "level=INFO" not in line and not any(part in line for part in expected)]
    assert bad == []


# From here on replicas are stopped and started.
def test_replicas_that_change_addresses_keep_their_names_and_never_answer_for_each_other(scraped: Stack) -> None:
    before = addresses(scraped)
    docker("kill", *scraped.replicas)
    docker("start", *(scraped.replicas[number] for number in (1, 2, 0)))
    assert addresses(scraped) != before
    changed = scraped.clock()
    fresh = f"min by (instance) (timestamp(served_by)) > {changed}"
    wait_for("all three have been scraped again", lambda: len(scraped.samples(fresh)) == 3)
    seen = scraped.samples('last_over_time(served_by{job="gte-service"}[10m])')
    assert {(sample["metric"]["instance"], sample["metric"]["name"]) for sample in seen} == {
        (name, name) for name in ("gte-service-1", "gte-service-2", "gte-service-3")
    }
    assert len(scraped.samples('up{job="gte-service"} == 1')) == 3


def test_a_replica_that_dies_beside_others_is_a_target_no_more(scraped: Stack) -> None:
    docker("kill", scraped.replicas[1])
    wait_for("its target has gone", lambda: len(scraped.samples('up{job="gte-service"}')) == 2, seconds=30)
    assert ("gte-service", "gte-service-2") not in scraped.targets()


def test_the_target_of_the_last_replica_stays_when_it_dies_and_the_alert_comes(scraped: Stack) -> None:
    docker("kill", scraped.replicas[0], scraped.replicas[2])
    down = 'up{job="gte-service", instance="gte-service-1"} == 0'
    wait_for("it is seen as down", lambda: scraped.samples(down), seconds=30)
    wait_for("GTE_ServiceDown waits for its 30 s", lambda: scraped.samples('ALERTS{alertname="GTE_ServiceDown"}'))


def addresses(stack: Stack) -> list[str]:
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return [docker("inspect", "--format", template, replica).strip() for replica in stack.replicas]
