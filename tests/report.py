"""Counts what ran: one line a step while it runs, then the slowest tests and the sum of all."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

LEFT_OUT = "left_out"
"""A test that runs checks of its own records those it left out under this name of a property."""
_SLOWEST = 12


@dataclass
class Report:
    """What passed, failed and was left out so far. Steps may run in several threads.

    Attributes:
        results: the folder where pytest leaves its JUnit files.
        failed: names of the checks that failed.
        left_out: names of the checks that could not run here, with the reason.
        passed: how many checks passed.
        seconds: how long each test took, by its name.
    """

    results: Path
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    passed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self, name: str, command: Sequence[str], root: Path, environ: Mapping[str, str]) -> bool:
        """Run a command as one check; its output is shown only if it fails. Returns whether it passed."""
        begun = time.monotonic()
        done = _run_quietly(command, root, environ)
        passed = done.returncode == 0
        with self._lock:
            if passed:
                self.passed += 1
            else:
                print(done.stdout, end="", flush=True)
                self.failed.append(name)
            _print_outcome(name, "ok" if passed else f"FAILED (exit status {done.returncode})", begun)
        return passed

    def pytest(
        self, name: str, command: Sequence[str], root: Path, environ: Mapping[str, str], *, live: bool = True
    ) -> None:
        """Run pytest, whose command writes `<name>.xml` into the results, and count each of its tests.

        Args:
            name: of the suite.
            command: starts pytest.
            root: the folder that it runs in.
            environ: its environment variables.
            live: show its output as it comes; else at the end, and only if a test failed.
        """
        begun = time.monotonic()
        if live:
            print(f"\n== {name}", flush=True)
            status, output = subprocess.run(command, cwd=root, env=environ, check=False).returncode, ""
        else:
            done = _run_quietly(command, root, environ)
            status, output = done.returncode, done.stdout
        file = self.results / f"{name}.xml"
        try:
            cases = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314 (pytest wrote it just now)
        except (OSError, ElementTree.ParseError):
            cases = []
        with self._lock:
            before = len(self.failed)
            for case in cases:
                self._count(f"{name}: {case.get('classname')}::{case.get('name')}", case)
            # A crash, an empty run or an error outside of any test leaves no failed case behind.
            if (status or not cases) and len(self.failed) == before:
                self.failed.append(f"{name}: pytest ended with status {status} after {len(cases)} tests")
            passed = len(self.failed) == before
            if not passed and output:
                print(f"\n== {name}\n{output}", end="", flush=True)
            _print_outcome(f"{name}: {len(cases)} tests", "ok" if passed else "FAILED", begun)

    def close(self) -> int:
        """Print the slowest tests, what failed and what was left out, then the counts. Returns the exit status."""
        print()
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])[:_SLOWEST]
        if slowest:
            print("The slowest tests:")
        for name, seconds in slowest:
            print(f"  {seconds:6.1f} s  {name}")
        for name in self.left_out:
            print(f"left out: {name}")
        for name in self.failed:
            print(f"failed: {name}")
        status = 1 if self.failed or not self.passed else 0
        counts = f"{self.passed} passed, {len(self.failed)} failed, {len(self.left_out)} left out"
        print(f"{counts} (exit status {status})", flush=True)
        return status

    def _count(self, name: str, case: ElementTree.Element) -> None:
        self.seconds[name] = float(case.get("time", 0))
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(name)
        elif (skipped := case.find("skipped")) is not None:
            self.left_out.append(f"{name} ({skipped.get('message')})")
        else:
            self.passed += 1
        self.left_out += [str(item.get("value")) for item in case.iter("property") if item.get("name") == LEFT_OUT]


def _run_quietly(command: Sequence[str], root: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        text=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip


def _print_outcome(name: str, outcome: str, begun: float) -> None:
    print(f"{outcome:6} {name} ({time.monotonic() - begun:.1f} s)", flush=True)
