"""Asks databases of known vulnerabilities about every package that is locked, with pip-audit and npm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.environment import torch_version
from tools.lock import LOCKS

VIEWER = ROOT / "grafana/viewer"


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a package that is locked.

    Attributes:
        package: name and version.
        vulnerability: its number, and the versions without it if they are known.
    """

    package: str
    vulnerability: str


@dataclass(frozen=True)
class Answer:
    """What a database said.

    Attributes:
        asked: what it was asked about, in words.
        findings: what it knows against these packages.
        unanswered: why there is no answer, or of how many packages it knows nothing; "" if it knows all.
    """

    asked: str
    findings: Sequence[Finding]
    unanswered: str = ""


def ask_about_python(python: Path, folder: Path, osv_url: str) -> list[Answer]:
    """Ask about each lock, and about PyTorch, which no lock names; pip-audit's answers are kept in a folder.

    Args:
        python: the interpreter that has pip-audit.
        folder: for the answers, as JSON.
        osv_url: a database that speaks OSV's protocol, in the place of PyPI's own; "" for PyPI's.
    """
    with tempfile.TemporaryDirectory(prefix="gte-audit-") as scratch:
        torch = Path(scratch) / "torch.txt"
        # Databases know it without the local part.
        torch.write_text(f"torch=={torch_version().partition('+')[0]}\n", encoding="utf-8")
        answers = [_ask(python, ROOT / f"{lock}.txt", f"{lock}.txt", folder, osv_url) for lock in LOCKS]
        return [*answers, _ask(python, torch, "PyTorch", folder, osv_url)]


def ask_about_npm(folder: Path) -> Answer:
    """Ask npm's registry about the packages of the viewer's page; its answer is kept in a folder."""
    asked = "grafana/viewer/package-lock.json"
    npm = shutil.which("npm")
    if npm is None:
        return Answer(asked, (), "npm isn't installed here")
    command = [npm, "audit", "--package-lock-only", "--json"]
    done = subprocess.run(command, cwd=VIEWER, capture_output=True, encoding="utf-8", check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        report = {}
    if "vulnerabilities" not in report:
        reason = str(report.get("message") or done.stderr.strip() or "npm audit gives no report")
        return Answer(asked, (), reason.splitlines()[0])
    (folder / "npm.json").write_text(done.stdout, encoding="utf-8")
    findings = [
        Finding(name, f"{via['url']}: {via['title']}")
        for name, found in report["vulnerabilities"].items()
        for via in found["via"]
        if isinstance(via, dict)
    ]
    return Answer(asked, findings)


def _ask(python: Path, lock: Path, asked: str, folder: Path, osv_url: str) -> Answer:
    output = folder / f"{re.sub(r'[^a-zA-Z0-9]+', '-', asked.removesuffix('.txt'))}.json"
    output.unlink(missing_ok=True)
    service = ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    command = [
        str(python), "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--no-deps", *service,
        "--format", "json", "--output", str(output), "--progress-spinner", "off", "--timeout", "10",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if not output.exists():
        last = (done.stderr.strip() or "pip-audit says nothing").splitlines()[-1]
        return Answer(asked, (), last)
    return read_answer(asked, json.loads(output.read_text(encoding="utf-8"))["dependencies"])


def read_answer(asked: str, packages: Sequence[Mapping[str, Any]]) -> Answer:
    """What pip-audit says of packages, in its JSON."""
    # pip-audit calls a package that its database doesn't answer for "skipped", and ends well.
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    findings = [
        Finding(f"{package['name']} {package['version']}", _described(one))
        for package in packages
        for one in package.get("vulns", ())
    ]
    return Answer(asked, findings, f"of {len(unknown)} of {len(packages)} packages nothing is known" if unknown else "")


def _described(vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability["fix_versions"])
    return f"{vulnerability['id']}, {f'fixed in {fixed}' if fixed else 'not fixed yet'}"
