"""Runs promtool from Prometheus' own image on the rules and their tests, as the user that Prometheus runs as."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from tests.config.containers import ROOT, docker, image_of

FOLDER = ROOT / "prometheus"
# Both by their paths in the project.
RULES = sorted(path.relative_to(ROOT).as_posix() for path in FOLDER.glob("rules/*.yml"))
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/config/rules/*.yml"))
ALERTS = [name for path in RULES for name in re.findall(r"^ *- alert: (\w+)$", (ROOT / path).read_text(), re.M)]


def promtool(*arguments: str, folder: Path = FOLDER) -> str:
    """Run promtool in `folder`, mounted as compose.yaml mounts prometheus/, and return its standard output."""
    return docker(*_container("promtool", "/etc/prometheus", {folder: "/etc/prometheus"}), *arguments)


def failures(tests: str) -> dict[str, str]:
    """Run a file of rule tests.

    Args:
        tests: path of the file in the project.

    Returns:
        for each test, by name, what failed in it; "" if nothing did.
    """
    folders = {FOLDER: "/project/prometheus", ROOT / "tests/config/rules": "/project/tests/config/rules"}
    return failures_in(tests, "/project", folders)


def failures_in(tests: str, workdir: str, folders: Mapping[Path, str], seconds: float = 120) -> dict[str, str]:
    """Run a file of rule tests that lies anywhere; returns what failed in each test, by name.

    Args:
        tests: path of the file, from `workdir`.
        workdir: where promtool is started in its container.
        folders: what the container sees, each with its place in there.
        seconds: how long it may take.
    """
    script = 'promtool test rules --junit=/tmp/junit.xml "$1" >/tmp/log 2>&1; cat /tmp/junit.xml || cat /tmp/log >&2'
    report = docker(*_container("sh", workdir, folders), "-c", script, "sh", tests, seconds=seconds)
    # The report was written by promtool a moment ago, it is nobody's input.
    cases = ET.fromstring(report).iter("testcase")  # noqa: S314
    return {case.attrib["name"]: "\n".join(failure.text or "?" for failure in case.iter("failure")) for case in cases}


def _container(entrypoint: str, workdir: str, folders: Mapping[Path, str]) -> list[str]:
    return [
        "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--user=65534:65534",
        *(f"--volume={folder}:{target}:ro" for folder, target in folders.items()),
        f"--workdir={workdir}", f"--entrypoint={entrypoint}", image_of("prometheus"),
    ]  # fmt: skip
