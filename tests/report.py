"""Counts what ran: one line a step while it runs, and the sum of all at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

LEFT_OUT = "left_out"
"""A test that runs checks of its own records those it left out under this name of a property."""


@dataclass
class Report:
    """What passed, failed and was left out so far.

    Attributes:
        results: the folder where pytest leaves its JUnit files.
        failed: names of the checks that failed.
        left_out: names of the checks that could not run here, with the reason.
        passed: how many checks passed.
    """

    results: Path
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    passed: int = 0

    def run(self, name: str, command: Sequence[str], root: Path, environ: Mapping[str, str]) -> bool:
        """Run a command as one check; its output is shown only if it fails. Returns whether it passed."""
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        passed = done.returncode == 0
        if not passed:
            print(done.stdout, end="", flush=True)
        self._say(name, "ok" if passed else f"FAILED (exit status {done.returncode})", begun)
        if passed:
            self.passed += 1
        else:
            self.failed.append(name)
        return passed

    def pytest(self, name: str, command: Sequence[str], root: Path, environ: Mapping[str, str]) -> None:
        """Run pytest, whose command writes `<name>.xml` into the results, and count each of its tests."""
        begun = time.monotonic()
        print(f"\n== {name}", flush=True)
        status = subprocess.run(command, cwd=root, env=environ, check=False).returncode
        file = self.results / f"{name}.xml"
        before = len(self.failed)
        try:
            cases = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314 (pytest wrote it just now)
        except (OSError, ElementTree.ParseError):
            cases = []
        for case in cases:
            self._count(f"{name}: {case.get('classname')}::{case.get('name')}", case)
        # A crash, an empty run or an error outside of any test leaves no failed case behind.
        if (status or not cases) and len(self.failed) == before:
            self.failed.append(f"{name}: pytest ended with status {status} after {len(cases)} tests")
        self._say(name, "ok" if len(self.failed) == before else "FAILED", begun)

    def close(self) -> int:
        """Print the names of what failed and what was left out, then the counts. Returns the exit status."""
        print()
        for name in self.left_out:
            print(f"left out: {name}")
        for name in self.failed:
            print(f"failed: {name}")
        status = 1 if self.failed or not self.passed else 0
        counts = f"{self.passed} passed, {len(self.failed)} failed, {len(self.left_out)} left out"
        print(f"{counts} (exit status {status})", flush=True)
        return status

    def _count(self, name: str, case: ElementTree.Element) -> None:
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(name)
        elif (skipped := case.find("skipped")) is not None:
            self.left_out.append(f"{name} ({skipped.get('message')})")
        else:
            self.passed += 1
        self.left_out += [str(one.get("value")) for one in case.iter("property") if one.get("name") == LEFT_OUT]

    @staticmethod
    def _say(name: str, outcome: str, begun: float) -> None:
        print(f"{outcome:6} {name} ({time.monotonic() - begun:.1f} s)", flush=True)
