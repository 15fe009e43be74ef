"""alertmanager.yml is valid and routes and mutes as intended, by the Alertmanager that compose.yaml names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.containers import ROOT, DockerError, docker, image_of, needs_engine, unique, wait_for

pytestmark = needs_engine

CONFIG = ROOT / "alertmanager" / "alertmanager.yml"
STRICT = "--enable-feature=utf8-strict-mode"


def amtool(config: Path, *arguments: str) -> str:
    """Run amtool in a container that has a configuration as /alertmanager.yml; returns its standard output."""
    container = ("--rm", "--network=none", f"--volume={config}:/alertmanager.yml:ro", "--entrypoint=amtool")
    return docker("run", *container, image_of("alertmanager"), *arguments)


def check(config: Path) -> str:
    return amtool(config, STRICT, "check-config", "/alertmanager.yml")


def test_the_configuration_is_valid_in_strict_mode() -> None:
    assert "1 receivers" in check(CONFIG)


def test_the_check_fails_for_a_matcher_that_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "alertmanager.yml"
    broken.write_text(CONFIG.read_text().replace('severity = "critical"', 'severity = "critical'))
    with pytest.raises(DockerError, match="expected label value"):
        check(broken)


def test_the_commented_receiver_is_valid_once_the_sign_is_taken_off(tmp_path: Path) -> None:
    text = CONFIG.read_text()
    lines = text.splitlines()
    example = [line[1:] for line in lines[lines.index("#  - name: on-call") :]]
    config = tmp_path / "alertmanager.yml"
    config.write_text(text.replace("\nreceivers:\n", "\n".join(["", "receivers:", *example, ""])))
    assert "2 receivers" in check(config)


class Alertmanager:
    """A running one that reaches nobody."""

    def __init__(self, name: str) -> None:
        self._name = name

    def amtool(self, *arguments: str) -> str:
        return docker("exec", self._name, "amtool", "--alertmanager.url=http://127.0.0.1:9093", *arguments)

    def add(self, *labels: str) -> None:
        self.amtool("alert", "add", *labels)

    def names(self, *flags: str) -> set[str]:
        """Return the alerts that are `--active` or `--inhibited`, each as name/job."""
        alerts = json.loads(self.amtool("alert", "query", "--output=json", *flags))
        return {f"{found['labels']['alertname']}/{found['labels'].get('job', '')}" for found in alerts}


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    name = unique("alertmanager")
    docker(
        "run", "--detach", "--name", name, "--network=none", "--read-only", "--cap-drop=ALL",
        "--tmpfs=/alertmanager:mode=1777", f"--volume={CONFIG}:/etc/alertmanager/alertmanager.yml:ro",
        image_of("alertmanager"), "--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager",
        "--cluster.listen-address=", STRICT,
    )  # fmt: skip
    try:
        started = Alertmanager(name)
        wait_for("Alertmanager answers", lambda: started.amtool("cluster", "show"))
        yield started
    finally:
        docker("rm", "--force", "--volumes", name)


def test_a_service_that_is_down_mutes_what_follows_from_it_and_nothing_else(
    alertmanager: Alertmanager,
) -> None:
    muted = {
        "GTE_TaskLatencyHigh/",
        "GTE_ErrorRateHigh/",
        "GTE_TaskLatencyHigh/gte-service",
        "GTE_ModelNotReady/gte-service",
        "GTE_NotAnswering/gte-service",
        "TargetDown/gte-service",
    }
    heard = {
        "GTE_ServiceDown/gte-service",
        "GTE_TaskLatencyHigh/another-service",
        "TargetDown/node-exporter",
        "HostDiskLow/node-exporter",
    }
    for alert in sorted(muted | heard - {"GTE_ServiceDown/gte-service"}):
        name, job = alert.split("/")
        alertmanager.add(name, "severity=warning", *([f"job={job}"] if job else []))
    everything_else = muted | heard - {"GTE_ServiceDown/gte-service"}
    wait_for("all alerts are active", lambda: alertmanager.names("--active") == everything_else)
    alertmanager.add("GTE_ServiceDown", "severity=critical", "job=gte-service")
    wait_for("the service's own alerts are muted", lambda: alertmanager.names("--inhibited") == muted)
    assert alertmanager.names("--active") == heard


def test_every_alert_of_every_severity_reaches_the_inbox() -> None:
    route = ("config", "routes", "test", "--config.file=/alertmanager.yml", "--verify.receivers=alert-inbox")
    for severity in ("critical", "warning", "info", "none"):
        amtool(CONFIG, *route, "alertname=Any", f"severity={severity}")
