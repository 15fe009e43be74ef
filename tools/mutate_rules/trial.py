"""Runs promtool's tests on mutants, several at a time, each process in a container that stays for all its mutants."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from tools import ROOT
from tools.cli import ToolError
from tools.mutate_rules.mutants import Mutant

RULES = ROOT / "prometheus" / "rules"
TESTS = ROOT / "tests" / "config" / "rules"
CAUGHT, SURVIVED, REFUSED, UNTESTED = "caught", "survived", "refused", "untested"

# A mutant that needs longer than this for one file has changed what is computed: it is caught.
_TEST_SECONDS = 600
_LATE = "late"
# Reads a line with a number of seconds, a file of tests and an expression for the names of those to run; answers with
# the verdict and the first test that failed. 124 and 143 say that the time was up, with GNU's timeout and BusyBox's.
_LOOP = f"""
cd tests/config/rules
while IFS='\t' read -r seconds file names; do
  timeout "$seconds" promtool test rules --junit=/tmp/junit.xml --run "$names" "$file" >/tmp/log 2>&1
  status=$?
  if [ $status -eq 0 ]; then
    echo {SURVIVED}
  elif [ $status -eq 124 ] || [ $status -eq 143 ]; then
    echo {_LATE}
  elif grep -q 'could not parse expression' /tmp/log; then
    echo {REFUSED}
  else
    name=$(tr '>' '\\n' </tmp/junit.xml | awk -F'"' '/<testcase/ {{ name = $2 }} /<failure/ {{ print name; exit }}')
    echo "{CAUGHT} $name"
  fi
done"""
# How many of the tests that noticed earlier mutants of a rule are run first, by themselves.
_LIKELY = 2


class TrialError(ToolError):
    """The tests can't be run, or fail without any change."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant.

    Attributes:
        mutant: which one.
        verdict: caught; survived; refused, where Prometheus doesn't accept it; or untested, where no test loads it.
        by: the file of tests that noticed it, "" if none did.
        seconds: how long its tests took.
    """

    mutant: Mutant
    verdict: str
    by: str
    seconds: float


Work = tuple[Mutant, Sequence[str]]


def try_all(
    work: Iterable[Work], image: str, scratch: Path, report: Callable[[Result], None], deadline: float = math.inf
) -> None:
    """Run the tests of each mutant, as many at a time as there are CPUs.

    Args:
        work: mutants, each with its files of tests in the order in which they are run; taken when a CPU is free.
        image: of Prometheus.
        scratch: an empty folder for copies of rules and tests.
        report: is called with each result, by one thread at a time.
        deadline: a time of `time.monotonic`; what isn't finished then is no result.

    Raises:
        TrialError: the tests can't be run, or fail without any change.
    """
    queue = iter(work)
    lock = threading.Lock()
    memory = _Memory()

    def take() -> Work | None:
        with lock:
            return next(queue, None)

    def run(number: int) -> None:
        with _Container(image, scratch / str(number)) as container:
            while job := take():
                if result := _judge(container, memory, deadline, *job):
                    with lock:
                        report(result)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in [pool.submit(run, number) for number in range(os.cpu_count() or 1)]:
            done.result()


class _Memory:
    """What earlier mutants have shown; threads share it, and at worst one of them learns a thing twice."""

    def __init__(self) -> None:
        self.passing: set[str] = set()  # files of tests that pass on the rules as they are
        self.noticed: dict[str, list[tuple[str, str]]] = {}  # by rule: file and name of tests, the latest first

    def likely(self, rule: str) -> list[tuple[str, str]]:
        """The tests that are most likely to notice a mutant of a rule: file, and names as an expression."""
        latest = self.noticed.get(rule, [])[:_LIKELY]
        files = dict.fromkeys(file for file, _ in latest)
        return [(file, "|".join(f"^{re.escape(name)}$" for at, name in latest if at == file)) for file in files]

    def learn(self, rule: str, test: tuple[str, str]) -> None:
        before = self.noticed.get(rule, [])
        self.noticed[rule] = [test, *(each for each in before if each != test)]


def _judge(
    container: _Container, memory: _Memory, deadline: float, mutant: Mutant, files: Sequence[str]
) -> Result | None:
    begun = time.monotonic()
    verdict, by = SURVIVED if files else UNTESTED, ""
    with container.changed(mutant):
        for file, names in [*memory.likely(mutant.rule.title), *((file, "") for file in files)]:
            verdict, name = container.run(file, names, deadline)
            if verdict != SURVIVED:
                by = file
                break
    if verdict == CAUGHT and by not in memory.passing:
        # Tests that fail anyhow prove nothing.
        unchanged, _ = container.run(by, "", deadline)
        if unchanged == CAUGHT:
            raise TrialError(f"tests/config/rules/{by} fails on the rules as they are. Put that right first.")
        if unchanged == _LATE:
            verdict = _LATE
    if verdict == _LATE:
        if deadline < math.inf:
            return None
        verdict = CAUGHT
    if verdict == CAUGHT:
        memory.passing.add(by)
        if name:
            memory.learn(mutant.rule.title, (by, name))
    return Result(mutant, verdict, by, time.monotonic() - begun)


class _Container:
    """A container of Prometheus' image with a copy of rules and tests, in which one rule at a time is changed."""

    def __init__(self, image: str, folder: Path) -> None:
        self._rules = folder / "prometheus" / "rules"
        for source, target in ((RULES, self._rules), (TESTS, folder / "tests" / "config" / "rules")):
            shutil.copytree(source, target)
        # The container's user is another one, whatever the umask here is.
        for path in (folder.parent, folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [
            "docker", "run", "--rm", "--interactive", "--network=none", "--read-only", "--tmpfs=/tmp",
            "--user=65534:65534", "--env=GOGC=off", "--env=GOMEMLIMIT=400MiB", "--env=GOMAXPROCS=1",
            f"--volume={folder}:/project:ro", "--workdir=/project", "--entrypoint=sh", image, "-c", _LOOP,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def __enter__(self) -> _Container:
        return self

    def __exit__(self, *_: object) -> None:
        # The loop ends with its input, and the container with the loop.
        self._process.communicate()

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Change the rules for the time of the block."""
        path = self._rules / mutant.rule.file
        content = path.read_text(encoding="utf-8")
        path.write_text(mutant.applied(content), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(content, encoding="utf-8")

    def run(self, file: str, names: str, deadline: float) -> tuple[str, str]:
        """Run those tests of a file whose names match an expression; returns the verdict, and which failed first."""
        seconds = math.ceil(min(_TEST_SECONDS, max(1.0, deadline - time.monotonic())))
        assert self._process.stdin  # noqa: S101 (PIPE)
        assert self._process.stdout  # noqa: S101 (PIPE)
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{seconds}\t{file}\t{names}\n")
            self._process.stdin.flush()
        verdict, _, name = self._process.stdout.readline().strip().partition(" ")
        if not verdict:
            raise TrialError("the container that runs promtool has ended. Docker's message above says why.")
        return verdict, unescape(name)
