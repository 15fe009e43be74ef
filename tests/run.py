"""Runs every check there is: `python3 -m tests.run [check|unit|stack|full-size|precision]`, or the first three.

`bench-metrics` measures what the metrics cost, against targets; what follows it is handed on.

What needs the service's libraries runs in its image, without network; what drives containers runs on the host, with
Python's standard library and pytest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.report import Report
from tests.stack.running import PROJECT
from tests.stack.running_example import FOLDER, Example
from tools.launcher.errors import LauncherError
from tools.launcher.settings import read_settings
from tools.launcher.wheels import find_wheels

ROOT = Path(__file__).resolve().parent.parent
PYTEST = "pytest==9.2.0"

# Folders of Python that stand by themselves, each with what mypy is asked about.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "gte-monitoring": ("gte_monitoring", "tests"),
    "gte-service": ("gte_service", "tests"),
    "alertmanager/inbox": ("alert_inbox", "tests"),
    ".": ("--explicit-package-bases", "tools", "grafana/boards", "tests/run.py", "tests/report.py", "tests/stack",
          "tests/config", "tests/smoke"),
    "examples/existing-app": ("app.py", "stand_in.py"),
    "loadtest": ("loadtest", "tests"),
}  # fmt: skip


class TestRun:
    """One run: its report, its settings and its folder for results."""

    def __init__(self, scratch: Path, arguments: Sequence[str] = ()) -> None:
        """Use `scratch` for all that is written; hand `arguments` on to what takes some."""
        self._arguments = arguments
        self.report = Report(scratch / "results")
        self.report.results.mkdir()
        self._tools = scratch / "tools"
        # An unset GTE_MODEL_DIR and the like: a user's .env must not change what is tested.
        self.environ = dict(os.environ) | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "IMAGE_TAG": "test",
            "TEST_RESULTS": str(self.report.results),
            "GTE_MODEL": "builtin:lexical",
            "GTE_MODEL_DIR": "",
            "GTE_PRECISION": "",
            "GTE_API_KEYS_FILE": "",
            "GTE_CORS_ORIGINS": "",
            "GTE_MODEL_ALIASES": "",
            "GTE_MAX_TEXTS": "",
            "GTE_MAX_BODY_BYTES": "",
            "GTE_WORKERS": "",
            "GTE_THREADS": "",
            "GTE_MAX_REQUESTS": "",
            "BIND_ADDRESS": "127.0.0.1",
        }

    def prepare(self) -> bool:
        """Make the engine, the images and pytest available."""
        print("== what the checks run in", flush=True)
        shutil.rmtree(self._tools, ignore_errors=True)
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ]
        found = self._run("pytest for this Python", [*install, "--target", str(self._tools), PYTEST])
        self.environ["PYTHONPATH"] = str(self._tools)
        if subprocess.run(
            [sys.executable, "-m", "tools.launcher", "prepare"], cwd=ROOT, env=self.environ, check=False
        ).returncode:
            self.report.failed.append("make prepare: the images could not be made")
            return False
        if folder := find_wheels(read_settings(ROOT, self.environ), ROOT):
            self.environ["WHEELS_DIR"] = str(folder)
        return found and self._run("image with the tools", [*self._dev(), "build", "-q", "dev"])

    def check(self) -> None:
        """Linters and checkers of configuration files."""
        print("\n== checkers", flush=True)
        self._in_dev("ruff check", "ruff", "check", "--no-cache", ".")
        self._in_dev("ruff format", "ruff", "format", "--no-cache", "--check", ".")
        for folder, arguments in PACKAGES.items():
            self._in_dev(f"mypy {folder}", "mypy", "--config-file", "/project/pyproject.toml",
                         "--cache-dir", "/dev/null", *arguments, folder=folder)  # fmt: skip
        scripts = [str(path.relative_to(ROOT)) for path in sorted(ROOT.rglob("*.sh")) if ".git" not in path.parts]
        self._in_dev("shellcheck", "shellcheck", *scripts, ".ci/run")
        self._run("docker compose config", ["docker", "compose", "--profile", "*", "config", "-q"])
        example = ["docker", "compose", "-f", str(FOLDER / "compose.yaml"), "config", "-q"]
        self._run("docker compose config, existing app", example)
        self._host_pytest("configuration", "tests/config")

    def unit(self) -> None:
        """Tests of single parts."""
        self._dev_pytest("gte-monitoring", "gte-monitoring")
        self._dev_pytest("gte-service", "gte-service")
        self._dev_pytest("alert-inbox", "alertmanager/inbox")
        self._host_pytest("tools", "tools/launcher", "tools/reconcile", "tests/smoke", "tools/bench")
        self._loadtest_pytest()

    def stack(self) -> None:
        """The whole stack, started as a user would and taken down again; then the existing app with its own."""
        self._host_pytest("stack", "tests/stack")

    def full_size(self) -> None:
        """The shape of GTE-large in four workers: how much memory it takes."""
        self._dev_pytest("full-size", "gte-service", "-m", "full_size", "-s")

    def precision(self) -> None:
        """What int8 and bf16 lose on real weights."""
        self._dev_pytest("precision", "gte-service", "-k", "on_real_weights", "-s")

    def bench_metrics(self) -> None:
        """What the metrics cost; the results' folder is on a disk of the host, as a volume is."""
        module = ["python", "-m", "metrics_benchmark", "--disk", "/results", *self._arguments]
        print("\n== metrics", flush=True)
        status = subprocess.run(
            self._dev_command("gte-service", *module), cwd=ROOT, env=self.environ, check=False
        ).returncode
        if status:
            self.report.failed.append(f"bench-metrics (exit status {status})")
        else:
            self.report.passed += 1

    def _run(self, name: str, command: list[str]) -> bool:
        return self.report.run(name, command, ROOT, self.environ)

    def _dev(self) -> list[str]:
        files = ["-f", "compose.yaml", "-f", "tests/compose.dev.yaml"]
        return ["docker", "compose", "--project-directory", ".", *files]

    def _dev_command(self, folder: str, *command: str) -> list[str]:
        return [*self._dev(), "run", "--rm", "--no-deps", "-T", "-w", f"/project/{folder}", "dev", *command]

    def _in_dev(self, name: str, *command: str, folder: str = ".") -> None:
        self._run(name, self._dev_command(folder, *command))

    def _dev_pytest(self, name: str, folder: str, *options: str) -> None:
        pytest = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml=/results/{name}.xml", *options]
        self.report.pytest(name, self._dev_command(folder, *pytest), ROOT, self.environ)

    def _host_pytest(self, name: str, *paths: str) -> None:
        xml = f"--junitxml={self.report.results / name}.xml"
        pytest = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            xml,
            *paths,
        ]
        self.report.pytest(name, pytest, ROOT, self.environ)

    def _loadtest_pytest(self) -> None:
        # In its own image, for the sake of wrk; pytest is pure Python and comes from the host's folder.
        image = f"gte-observability/loadtest:{self.environ['IMAGE_TAG']}"
        mounts = [f"{ROOT}:/project:ro", f"{self._tools}:/tools:ro", f"{self.report.results}:/results"]
        volumes = [word for mount in mounts for word in ("-v", mount)]
        container = [
            "docker",
            "run",
            "--rm",
            "--init",
            "--network",
            "none",
            "--user",
            "0",
            "--tmpfs",
            "/tmp:exec",  # noqa: S108 (inside the container)
            *volumes,
        ]
        pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=/results/loadtest.xml", "loadtest"]
        inside = ["-w", "/project", "-e", "PYTHONPATH=/tools", "--entrypoint", "python", image, *pytest]
        self.report.pytest("loadtest", [*container, *inside], ROOT, self.environ)


PARTS: Mapping[str, tuple[Callable[[TestRun], None], ...]] = {
    "all": (TestRun.check, TestRun.unit, TestRun.stack),
    "check": (TestRun.check,),
    "unit": (TestRun.unit,),
    "stack": (TestRun.stack,),
    "full-size": (TestRun.full_size,),
    "precision": (TestRun.precision,),
    "bench-metrics": (TestRun.bench_metrics,),
}


def main() -> int:
    """Run what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.run", description="Runs the checks of this project.")
    parser.add_argument("part", nargs="?", choices=PARTS, default="all")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of bench-metrics")
    given = parser.parse_args()
    if given.arguments and given.part != "bench-metrics":
        parser.error(f"{given.part} takes no arguments")
    parts = PARTS[given.part]
    with tempfile.TemporaryDirectory(prefix="gte-test-") as scratch:
        run = TestRun(Path(scratch), given.arguments)
        try:
            if run.prepare():
                for part in parts:
                    part(run)
        except LauncherError as error:
            run.report.failed.append(str(error))
        except KeyboardInterrupt:
            run.report.failed.append("interrupted")
        finally:
            remove_traces(run.environ)
        return run.report.close()


def remove_traces(environ: Mapping[str, str]) -> None:
    """Remove this run's containers, networks, volumes and image tags; layers stay as cache for the next run."""
    Example(environ).remove()
    subprocess.run(
        [sys.executable, "-m", "tools.launcher", "clean"],
        cwd=ROOT, env={**environ, "CONFIRM": "yes"}, stdout=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    subprocess.run(
        ["docker", "image", "rm", f"gte-observability/dev:{environ['IMAGE_TAG']}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
