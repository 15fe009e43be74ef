"""Runs every check there is: `python3 -m tests.run [PART]`; without a part, all that `make test` is.

`lint` and `unit` run on this host, in virtual environments of the checkout, and need no Docker. All other parts drive
containers; the service's own tests run in an image that has what its runtime image has, without network.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.report import Report
from tests.stack.running_example import FOLDER, Example
from tools import ROOT, cli
from tools.environment import E5, LINT, UNIT, InstallError, ensure
from tools.launcher.commands import open_run
from tools.launcher.compose import Service
from tools.launcher.images import DASHBOARD_TOOLS, is_present
from tools.launcher.wheels import wheels_override

# A checkout of its own has a project and image tags of its own: two runs beside each other don't meet.
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
# Where things come from; all other settings of a user's .env must not change what is tested.
KEPT_SETTINGS = {"IMAGE_REGISTRY", "PIP_INDEX_URL", "TORCH_INDEX_URL", "WHEELS_DIR", "DEBIAN_MIRROR", "NPM_REGISTRY"}

# What the viewer's Dockerfile says where it can't reach npm's registry; the command itself, which a build prints too,
# has no address there.
NO_REGISTRY = re.compile(r"npm's registry can't be reached: (\w+://\S+?)\. ")

# Folders of Python that stand by themselves, each with what mypy is asked about there.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    ".": ("tools", "grafana/boards", "tests"),
    "gte-service": ("gte_service", "tests"),
    "gte-monitoring": ("gte_monitoring", "tests"),
    "alertmanager/inbox": ("alert_inbox", "tests"),
    "grafana/viewer/server": ("dashboard_viewer", "tests"),
    "loadtest": ("loadtest", "tests"),
    "examples/existing-app": ("app.py", "stand_in.py"),
}


@dataclass(frozen=True)
class Suite:
    """Tests that one call of pytest runs.

    Attributes:
        name: as the report shows it.
        folder: where pytest runs.
        paths: what it is given; none: what its settings there say.
        at_once: whether test files run beside each other, one a CPU; most of these tests wait for processes to start.
    """

    name: str
    folder: str = "."
    paths: tuple[str, ...] = ()
    at_once: bool = False


# Suites whose tests need the service's libraries, and those that need Python's standard library only.
PACKAGE_SUITES = (
    Suite("gte-monitoring", "gte-monitoring"),
    Suite("gte-service", "gte-service", at_once=True),
    Suite(
        "alert-inbox", "alertmanager/inbox", tuple(f"--ignore=tests/test_{name}.py" for name in ("firing", "browser"))
    ),
    Suite("dashboard-viewer", "grafana/viewer/server"),
    Suite("measurements", ".", ("tools/bench_metrics", "tools/evaluation")),
)
_BENCH_RUN = "tools/bench/tests/test_bench_whole.py"
_TOOLS = ("tests", "baseline", "dashboards", "launcher", "objectives", "bench")
TOOL_SUITES = (
    Suite("tools", ".", (f"--ignore={_BENCH_RUN}", *(f"tools/{name}" for name in _TOOLS))),
    Suite("smoke-test", ".", ("tests/smoke",)),
)
LOADTEST = Suite("loadtest", "loadtest")
# The one test of `tools/` that builds images and measures for minutes.
BENCH = Suite("bench", ".", (_BENCH_RUN,))
CONFIGURATION = Suite("configuration", ".", ("tests/config",), at_once=True)
# Those of the inbox that need an Alertmanager; the one that needs Chromium too is a part of the configuration's.
FIRING = Suite("alert-inbox-firing", "alertmanager/inbox", ("tests/test_firing.py",))
# With its output: the figures are what one wants to see.
RULE_COST = Suite("rule-cost", ".", ("-s", "tests/config/rule_cost.py", "tests/config/query_cost.py"))
ROOM = Suite("room", ".", ("-s", "tests/stack/room.py"))
FAULTS = Suite("faults", ".", ("-s", "tests/stack/faults.py", "tests/stack/runbook_faults.py"))
QUIET = Suite("quiet", ".", ("-s", "tests/stack/quiet.py"))
STACK = Suite("stack", ".", ("tests/stack",))


class TestRun:
    """One run: its report, its settings, and its folder for results."""

    def __init__(self, scratch: Path) -> None:
        """Use `scratch` for everything that is written."""
        self.report = Report(scratch / "results")
        self.report.results.mkdir()
        names = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M)
        self.environ = {
            **os.environ,
            # What they read is English.
            "LC_ALL": "C.UTF-8",
            **{name: "" for name in names if name not in KEPT_SETTINGS},
            "COMPOSE_PROJECT_NAME": f"gte-test-{CHECKOUT}",
            "IMAGE_TAG": f"test-{CHECKOUT}",
            "TEST_RESULTS": str(self.report.results),
            "GTE_MODEL": "builtin:lexical",
            "BIND_ADDRESS": "127.0.0.1",
            # That of .env may add the gateway.
            "COMPOSE_FILE": "compose.yaml",
            # Tests read files and programs as UTF-8 in any locale, and ask this host past any proxy.
            "PYTHONUTF8": "1",
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1,localhost"])),
            "no_proxy": ",".join(filter(None, [os.environ.get("no_proxy"), "127.0.0.1,localhost"])),
        }
        self.viewer_image: Service | None = None

    # On this host, without Docker

    def lint(self) -> None:
        """Check style, types and shell scripts."""
        print("== lint", flush=True)
        tools = ensure(LINT).parent
        scripts = [str(path.relative_to(ROOT)) for path in _tracked("*.sh", ".ci/run")]
        steps: list[tuple[str, list[str], Path]] = [
            ("ruff check", [f"{tools}/ruff", "check", "."], ROOT),
            ("ruff format", [f"{tools}/ruff", "format", "--check", "."], ROOT),
            ("shellcheck", [f"{tools}/shellcheck", *scripts], ROOT),
        ]
        for folder, arguments in PACKAGES.items():
            cache = ROOT / ".mypy_cache" / folder.replace("/", "-").strip(".")
            mypy = [f"{tools}/mypy", f"--config-file={ROOT}/pyproject.toml", f"--cache-dir={cache}", *arguments]
            bases = "--explicit-package-bases" if folder == "." else "--no-explicit-package-bases"
            steps.append((f"mypy {folder}", [*mypy, bases], ROOT / folder))
        self._run_at_once(steps)

    def unit(self) -> None:
        """Run the unit tests of every package; what needs more than this host has is left out by name."""
        print("\n== unit tests", flush=True)
        for suite in TOOL_SUITES:
            self._on_host(suite)
        python = str(ensure(UNIT))
        self._install_e5()
        for suite in (LOADTEST, *PACKAGE_SUITES):
            self.report.pytest(suite.name, self._pytest(python, suite), ROOT / suite.folder, self.environ)

    # With Docker

    def prepare(self) -> bool:
        """Make the engine and the images available; returns whether that worked."""
        print("\n== images", flush=True)
        prepared = subprocess.run(
            [sys.executable, "-m", "tools.launcher", "prepare"],
            cwd=ROOT, env={**self.environ, "COMPOSE_FILE": "compose.yaml:gateway/compose.yaml"}, check=False,
        )  # fmt: skip
        if prepared.returncode:
            self.report.failed.append("make prepare: the images could not be made")
            return False
        run = open_run(ROOT, self.environ)
        stack = run.compose.with_settings(self.environ).read()
        self.environ |= wheels_override(list(stack.services.values()), run.settings, ROOT)
        self.viewer_image = stack.services[DASHBOARD_TOOLS]
        if not self.report.run("image with the tools", [*self._dev(), "build", "-q", "dev"], ROOT, self.environ):
            return False
        if is_present(self.viewer_image.image):
            page_tests = [*self._dev(), "build", "-q", "viewer-page-tests"]
            return self.report.run("image with the tests of the viewer's page", page_tests, ROOT, self.environ)
        built = run.compose.capture("--progress", "plain", "build", DASHBOARD_TOOLS, profile="*", timeout=None)
        if unreached := NO_REGISTRY.search(built.stdout + built.stderr):
            reason = f"{unreached[1]} can't be reached"
            self.report.left_out.append(f"the viewer, and the check of the dashboards ({reason})")
        else:
            self.report.failed.append("make prepare: the viewer could not be built")
        return True

    def configuration(self) -> None:
        """Check rules, dashboards, routing and compose files, by the programs that read them."""
        example = ["docker", "compose", "-f", str(FOLDER / "compose.yaml"), "config", "-q"]
        self.report.run("compose.yaml", ["docker", "compose", "--profile", "*", "config", "-q"], ROOT, self.environ)
        self.report.run("compose.yaml of the existing app", example, ROOT, self.environ)
        self._on_host(CONFIGURATION)
        self._on_host(FIRING)

    def viewer(self) -> None:
        """Check the viewer's types, format and core, which is one build, and the dashboards with it."""
        if self.viewer_image and is_present(self.viewer_image.image):
            arguments = [f"--build-arg={name}={value}" for name, value in self.viewer_image.build_args.items()]
            build = ["docker", "build", "--progress", "plain", "--output", "type=cacheonly", "--target", "checked"]
            self.report.run("viewer", [*build, *arguments, "grafana/viewer"], ROOT, self.environ)
            check = [sys.executable, "-m", "tools.dashboards", "check"]
            self.report.run("dashboards", check, ROOT, self.environ)

    def unit_in_images(self) -> None:
        """Run the unit tests where nothing is missing: the service's in its image with the tests' tools."""
        self._install_e5()
        for suite in PACKAGE_SUITES:
            self._in_dev(suite)
        for suite in (*TOOL_SUITES, BENCH):
            self._on_host(suite)
        self._in_loadtest_image()

    def stack(self) -> None:
        """Start the whole stack as a user would, use it, break it, and take it down; then the existing app with it."""
        self._on_host(STACK)

    def full_size(self) -> None:
        """The shape of GTE-large in four workers: how much memory it takes."""
        self._in_dev(Suite("full-size", "gte-service", ("-m", "full_size", "-s")))

    def precision(self) -> None:
        """What int8 and bf16 lose on real weights, and how fast int8 is with fewer of the CPU's instructions."""
        chosen = "on_real_weights or whatever_the_cpu_has"
        self._in_dev(Suite("precision", "gte-service", ("-k", chosen, "-s")))

    def rule_cost(self) -> None:
        """What one evaluation of all rules costs, and every query of the dashboards."""
        self._on_host(RULE_COST)

    def room(self) -> None:
        """Whether the load that the stack takes is the one that its dashboards predict."""
        self._on_host(ROOM)

    def faults(self) -> None:
        """Who is told of each fault, and how soon."""
        self._on_host(FAULTS)

    def quiet(self) -> None:
        """Whether an hour without a fault tells nobody anything."""
        self._on_host(QUIET)

    def remove_traces(self) -> None:
        """Remove this run's containers, networks, volumes and image tags; layers stay as cache for the next run."""
        Example(self.environ).remove()
        subprocess.run(
            [sys.executable, "-m", "tools.launcher", "clean"],
            cwd=ROOT, env={**self.environ, "CONFIRM": "yes"}, stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        images = [f"gte-observability/{name}:{self.environ['IMAGE_TAG']}" for name in ("viewer-page-tests", "dev")]
        subprocess.run(["docker", "image", "rm", *images], capture_output=True, check=False)

    def _pytest(self, python: str, suite: Suite, results: str = "") -> list[str]:
        xml = f"--junitxml={results or self.report.results}/{suite.name}.xml"
        mode = ["--import-mode=importlib"] if suite.folder == "." else []
        spread = ["-n", "auto", "--dist", "loadfile"] if suite.at_once else []
        return [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", xml, *mode, *spread, *suite.paths]

    def _on_host(self, suite: Suite) -> None:
        python = str(ensure(LINT))
        self.report.pytest(suite.name, self._pytest(python, suite), ROOT / suite.folder, self.environ)

    def _install_e5(self) -> None:
        """Make the environment whose model file the tests of the evaluation read, here and in the container."""
        try:
            ensure(E5)
        except InstallError as error:
            print(f"{error}\nThe tests on multilingual-e5-small are left out.", flush=True)

    def _dev(self) -> list[str]:
        files = ["-f", "compose.yaml", "-f", "tests/compose.dev.yaml"]
        return ["docker", "compose", "--project-directory", ".", *files]

    def _in_dev(self, suite: Suite) -> None:
        container = [*self._dev(), "run", "--rm", "--no-deps", "-T", "-w", f"/project/{suite.folder}", "dev"]
        command = [*container, *self._pytest("python", suite, "/results")]
        self.report.pytest(suite.name, command, ROOT, self.environ)

    def _in_loadtest_image(self) -> None:
        # For the sake of wrk. Pytest is pure Python and comes from the environment of the linters.
        packages = next((ensure(LINT).parents[1] / "lib").glob("python*/site-packages"))
        mounts = (f"{ROOT}:/project:ro", f"{packages}:/tools:ro", f"{self.report.results}:/results")
        command = [
            "docker", "run", "--rm", "--init", "--network", "none", "--user", "0",
            "--tmpfs", "/tmp:exec",  # noqa: S108 (inside the container)
            *(word for mount in mounts for word in ("-v", mount)),
            "-w", "/project/loadtest", "-e", "PYTHONPATH=/tools:/project", "--entrypoint", "python",
            f"gte-observability/loadtest:{self.environ['IMAGE_TAG']}",
            *self._pytest("python", LOADTEST, "/results")[1:],
        ]  # fmt: skip
        self.report.pytest(LOADTEST.name, command, ROOT, self.environ)

    def _run_at_once(self, steps: Iterable[tuple[str, list[str], Path]]) -> None:
        """Run several checks, as many at a time as there are CPUs: name, command, and folder of each."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda step: self.report.run(step[0], step[1], step[2], self.environ), steps))


@dataclass(frozen=True)
class Part:
    """The steps behind one target of the Makefile.

    Attributes:
        steps: what is run, in order.
        images: whether it needs Docker and the images.
    """

    steps: tuple[Callable[[TestRun], None], ...]
    images: bool = True


PARTS: Mapping[str, Part] = {
    "all": Part((TestRun.lint, TestRun.configuration, TestRun.viewer, TestRun.unit_in_images, TestRun.stack)),
    "lint": Part((TestRun.lint,), images=False),
    "unit": Part((TestRun.unit,), images=False),
    "check": Part((TestRun.lint, TestRun.configuration, TestRun.viewer)),
    "stack": Part((TestRun.stack,)),
    "full-size": Part((TestRun.full_size,)),
    "precision": Part((TestRun.precision,)),
    "rule-cost": Part((TestRun.rule_cost,), images=False),
    "room": Part((TestRun.room,)),
    "faults": Part((TestRun.faults,)),
    "quiet": Part((TestRun.quiet,)),
}


def main() -> int:
    """Run what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.run", description="Runs the checks of this project.")
    parser.add_argument("part", nargs="?", choices=PARTS, default="all")
    part = PARTS[parser.parse_args().part]
    with tempfile.TemporaryDirectory(prefix="gte-test-") as scratch, _alone(part):
        run = TestRun(Path(scratch))
        try:
            if not part.images or run.prepare():
                for step in part.steps:
                    step(run)
        except cli.ToolError as error:
            run.report.failed.append(str(error))
        except KeyboardInterrupt:
            run.report.failed.append("interrupted")
        finally:
            if part.images:
                with suppress(cli.ToolError):
                    run.remove_traces()
        return run.report.close()


@contextmanager
def _alone(part: Part) -> Iterator[None]:
    """Keep a second run with images out of this checkout: both would use the same names."""
    with Path(tempfile.gettempdir(), f"gte-test-{CHECKOUT}.lock").open("w", encoding="ascii") as lock:
        if part.images:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise cli.ToolError(
                    f"another test run works in {ROOT}. Wait for its end, or run this one in another clone."
                ) from None
        yield


def _tracked(*patterns: str) -> Sequence[Path]:
    found = (path for pattern in patterns for path in ROOT.rglob(pattern))
    return sorted(path for path in found if not {".git", ".venv", "node_modules"} & set(path.relative_to(ROOT).parts))


if __name__ == "__main__":
    sys.exit(cli.run("tests", main))
