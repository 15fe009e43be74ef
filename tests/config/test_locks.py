"""Every image installs from a lock: complete, with hashes, and in the versions of the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import ROOT
from tools.lock import LOCKS

# Images that install the very versions of the service's runtime image; its tests' image above all.
SHARED = (
    "gte-service/requirements-dev",
    "alertmanager/inbox/requirements",
    "grafana/viewer/server/requirements",
    "examples/existing-app/requirements",
)
DOCKERFILES = (
    "gte-service/Dockerfile",
    "alertmanager/inbox/Dockerfile",
    "grafana/viewer/Dockerfile",
    "tests/smoke/Dockerfile",
    "examples/existing-app/Dockerfile",
    "tools/bench/rivals/environment.sh",
)


def named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, str]:
    """The version of each package of a lock."""
    text = Path(ROOT, f"{lock}.txt").read_text(encoding="utf-8")
    return {named(name): version for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", text, re.M)}


def test_every_list_of_requirements_has_a_lock() -> None:
    lists = {path for path in ROOT.rglob("requirements*.in") if not {".venv", "node_modules"} & set(path.parts)}
    assert {ROOT / f"{lock}.in" for lock in LOCKS} == lists


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_its_list_names_and_has_hashes(lock: str) -> None:
    wanted = re.findall(r"^([A-Za-z0-9_.-]+)", Path(ROOT, f"{lock}.in").read_text(encoding="utf-8"), re.M)
    direct = {named(word) for word in wanted if not word.startswith("-")}
    assert direct
    assert direct <= pins(lock).keys()
    entries = re.split(r"^(?=[A-Za-z0-9])", Path(ROOT, f"{lock}.txt").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", SHARED)
def test_an_image_has_the_versions_of_the_runtime_image(lock: str) -> None:
    runtime, here = pins("gte-service/requirements"), pins(lock)
    assert runtime.keys() & here.keys()
    assert {name: here[name] for name in runtime.keys() & here.keys() if runtime[name] != here[name]} == {}


@pytest.mark.parametrize("file", DOCKERFILES)
def test_an_image_installs_with_hashes_and_nothing_that_no_lock_names(file: str) -> None:
    text = Path(ROOT, file).read_text(encoding="utf-8")
    installs = [line for line in text.replace("\\\n", " ").splitlines() if "-r " in line and "install" in line]
    assert installs
    assert [line for line in installs if "--require-hashes" not in line or "--no-deps" not in line] == []
