"""Lists what is in each image of ours, as a bill of materials."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools import ROOT, cli
from tools.launcher.compose import Service, docker
from tools.launcher.images import is_present

_INVENTORY = ROOT / "tools/audit/inventory.py"
_NPM_LOCK = ROOT / "grafana/viewer/package-lock.json"


def write_bills(python: Path, services: Sequence[Service], folder: Path) -> list[str]:
    """Write a file for each image that is here; returns the images that aren't.

    Args:
        python: the interpreter that has CycloneDX' library.
        services: those whose image we build.
        folder: where the files go, each named after its service.

    Raises:
        ToolError: an image can't be looked into.
    """
    missing = []
    for service in services:
        if not is_present(service.image):
            missing.append(service.image)
            continue
        identity = docker("image", "inspect", "--format", "{{.Id}}", service.image).stdout.strip()
        packages = _installed(service.image)
        if service.name.startswith("dashboard-"):
            packages["npm"] = npm_packages()
        given = {"image": service.image, "id": identity, "packages": packages}
        bill = _output([str(python), "-m", "tools.audit.bill"], json.dumps(given), f"{service.image}'s bill")
        (folder / f"{service.name}.cdx.json").write_text(bill, encoding="utf-8")
        counts = ", ".join(f"{len(found)} {kind}" for kind, found in packages.items())
        print(f"{service.image}: {counts}", flush=True)
    return missing


def npm_packages() -> list[list[str]]:
    """Name and version of each npm package that the viewer's page is made of."""
    locked = json.loads(_NPM_LOCK.read_text(encoding="utf-8"))["packages"]
    return [
        [path.rpartition("node_modules/")[2], package["version"]]
        for path, package in locked.items()
        if path and not package.get("dev")
    ]


def _installed(image: str) -> dict[str, list[list[str]]]:
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--entrypoint", "python", image, "-"]
    found: dict[str, list[list[str]]] = json.loads(
        _output(command, _INVENTORY.read_text(encoding="utf-8"), f"the packages of {image}")
    )
    return found


def _output(command: Sequence[str], given: str, what: str) -> str:
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise cli.ToolError(f"{what} can't be had: {done.stderr.strip()}")
    return done.stdout
