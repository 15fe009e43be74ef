"""alertmanager.yml is valid and routes and mutes as intended, by the Alertmanager that compose.yaml names."""

import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "alertmanager"
CONFIG = FOLDER / "alertmanager.yml"
STRICT = "--enable-feature=utf8-strict-mode"
PATIENCE = 20.0


def image() -> str:
    found = re.search(r"prom/alertmanager:v[0-9.]+", (FOLDER.parent / "compose.yaml").read_text())
    assert found, "compose.yaml names no Alertmanager"
    return found[0]


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if not shutil.which("docker") or docker("image", "inspect", image()).returncode:
        pytest.skip(f"no Docker engine with {image()} here")


def check(config: Path) -> subprocess.CompletedProcess[str]:
    return docker(
        *("run", "--rm", "--network=none", f"--volume={config}:/alertmanager.yml:ro", "--entrypoint=amtool"),
        *(image(), STRICT, "check-config", "/alertmanager.yml"),
    )


def test_the_configuration_is_valid_in_strict_mode() -> None:
    checked = check(CONFIG)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 receivers" in checked.stdout


def test_the_check_fails_for_a_matcher_that_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "alertmanager.yml"
    broken.write_text(CONFIG.read_text().replace('severity = "critical"', 'severity = "critical'))
    assert check(broken).returncode != 0


def test_the_commented_receiver_is_valid_once_the_sign_is_taken_off(tmp_path: Path) -> None:
    text = CONFIG.read_text()
    lines = text.splitlines()
    example = [line[1:] for line in lines[lines.index("#  - name: on-call") :]]
    config = tmp_path / "alertmanager.yml"
    config.write_text(text.replace("\nreceivers:\n", "\n".join(["", "receivers:", *example, ""])))
    checked = check(config)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 receivers" in checked.stdout


class Alertmanager:
    """A running one that reaches nobody."""

    def __init__(self, name: str) -> None:
        self._name = name

    def amtool(self, *arguments: str) -> str:
        ended = docker("exec", self._name, "amtool", "--alertmanager.url=http://127.0.0.1:9093", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def add(self, *labels: str) -> None:
        self.amtool("alert", "add", *labels)

    def names(self, *flags: str) -> set[str]:
        """Return the alerts that are `--active` or `--inhibited`, each as name/job."""
        alerts = json.loads(self.amtool("alert", "query", "--output=json", *flags))
        return {f"{found['labels']['alertname']}/{found['labels'].get('job', '')}" for found in alerts}


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    name = f"alertmanager-config-test-{uuid.uuid4().hex[:8]}"
    started = docker(
        *("run", "--detach", "--name", name, "--network=none", "--read-only", "--cap-drop=ALL"),
        *(
            "--tmpfs=/alertmanager:mode=1777",
            f"--volume={CONFIG}:/etc/alertmanager/alertmanager.yml:ro",
            image(),
        ),
        *("--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"),
        *("--cluster.listen-address=", STRICT),
    )
    try:
        assert started.returncode == 0, started.stderr
        wait_until(
            lambda: (
                docker("exec", name, "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9093/-/ready").returncode == 0
            ),
            "Alertmanager is ready",
        )
        yield Alertmanager(name)
    finally:
        docker("rm", "--force", "--volumes", name)


def wait_until(condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.1)


def test_a_service_that_is_down_mutes_what_follows_from_it_and_nothing_else(
    alertmanager: Alertmanager,
) -> None:
    muted = {
        "GteTaskLatencyHigh/",
        "GteTaskErrorRateHigh/",
        "GteTaskLatencyHigh/gte-service",
        "GteModelNotReady/gte-service",
        "GteNotAnswering/gte-service",
        "TargetDown/gte-service",
    }
    heard = {
        "GteServiceDown/gte-service",
        "GteTaskLatencyHigh/another-service",
        "TargetDown/node-exporter",
        "HostDiskLow/node-exporter",
    }
    for alert in sorted(muted | heard - {"GteServiceDown/gte-service"}):
        name, job = alert.split("/")
        alertmanager.add(name, "severity=warning", *([f"job={job}"] if job else []))
    everything_else = muted | heard - {"GteServiceDown/gte-service"}
    wait_until(lambda: alertmanager.names("--active") == everything_else, "all alerts are active")
    alertmanager.add("GteServiceDown", "severity=critical", "job=gte-service")
    wait_until(lambda: alertmanager.names("--inhibited") == muted, "the service's own alerts are muted")
    assert alertmanager.names("--active") == heard


def test_every_alert_of_every_severity_reaches_the_inbox() -> None:
    for severity in ("critical", "warning", "info", "none"):
        ended = docker(
            *(
                "run",
                "--rm",
                "--network=none",
                f"--volume={CONFIG}:/alertmanager.yml:ro",
                "--entrypoint=amtool",
            ),
            *(image(), "config", "routes", "test", "--config.file=/alertmanager.yml"),
            *("--verify.receivers=alert-inbox", "alertname=Any", f"severity={severity}"),
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
