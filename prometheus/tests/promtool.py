"""Runs promtool from Prometheus' own image on this folder, as the user that Prometheus runs as."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from prometheus.tests.containers import ROOT, docker, image_of

FOLDER = ROOT / "prometheus"
RULES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("rules/*.yml"))
TESTS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("tests/*.yml"))
ALERTS = [name for path in RULES for name in re.findall(r"^ *- alert: (\w+)$", (FOLDER / path).read_text(), re.M)]


def promtool(*arguments: str, folder: Path = FOLDER) -> str:
    """Run promtool in `folder`, mounted as compose.yaml mounts this one, and return its standard output."""
    return docker(*_container(folder, "promtool"), *arguments)


def failures(tests: str) -> dict[str, str]:
    """Run a file of rule tests.

    Args:
        tests: path of the file in this folder.

    Returns:
        for each test, by name, what failed in it; "" if nothing did.
    """
    script = 'promtool test rules --junit=/tmp/junit.xml "$1" >/tmp/log 2>&1; cat /tmp/junit.xml || cat /tmp/log >&2'
    report = docker(*_container(FOLDER, "sh"), "-c", script, "sh", tests)
    # The report was written by promtool a moment ago, it is nobody's input.
    cases = ET.fromstring(report).iter("testcase")  # noqa: S314
    return {case.attrib["name"]: "\n".join(failure.text or "?" for failure in case.iter("failure")) for case in cases}


def verdicts(variants: Path) -> dict[str, str]:
    """Run all rule tests on variants of the rules, in one container because they are many.

    Args:
        variants: a folder of folders, each with `rules` and `tests` like this one.

    Returns:
        for each variant, by its folder's name: `passed`, `failed`, or `invalid` when promtool refuses the rules.
    """
    script = """
        for variant in *; do
          if ! promtool check rules --lint=none "$variant"/rules/*.yml >/dev/null 2>&1; then echo "$variant invalid"
          elif promtool test rules "$variant"/tests/*.yml >/dev/null 2>&1; then echo "$variant passed"
          else echo "$variant failed"
          fi
        done"""
    said = docker(*_container(variants, "sh"), "-c", script, seconds=600)
    words = (line.rpartition(" ") for line in said.splitlines())
    return {variant: verdict for variant, _, verdict in words}


def _container(folder: Path, entrypoint: str) -> list[str]:
    return [
        "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--user=65534:65534",
        f"--volume={folder}:/etc/prometheus:ro", "--workdir=/etc/prometheus",
        f"--entrypoint={entrypoint}", image_of("prometheus"),
    ]  # fmt: skip
