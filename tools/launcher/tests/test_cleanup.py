"""`make clean` removes nothing unasked, and all of its own once it may."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tools import cli
from tools.launcher import cleanup, commands
from tools.launcher.compose import Compose
from tools.launcher.tests.conftest import needs_engine

SERVICES = "services:\n  one:\n    image: launcher-test/none:1\n    profiles: [never]\nvolumes:\n  data: {}\n"


def volumes(compose: Compose) -> str:
    name = compose.overrides["COMPOSE_PROJECT_NAME"]
    listed = subprocess.run(["docker", "volume", "ls", "--quiet"], capture_output=True, text=True, check=True)
    return "\n".join(line for line in listed.stdout.splitlines() if line.startswith(name))


@pytest.fixture
def compose(project: Callable[[str], Compose]) -> Iterator[Compose]:
    """A project that has a volume and nothing else."""
    made = project(SERVICES)
    name = made.overrides["COMPOSE_PROJECT_NAME"]
    labels = [f"--label=com.docker.compose.{label}" for label in (f"project={name}", "volume=data")]
    subprocess.run(["docker", "volume", "create", *labels, f"{name}_data"], capture_output=True, check=True)
    yield made
    subprocess.run(["docker", "volume", "rm", f"{name}_data"], capture_output=True, check=False)


@needs_engine
@pytest.mark.parametrize("settings", [{"CI": "true"}, {"CONFIRM": "yes"}])
def test_it_removes_the_volumes_after_naming_them(
    compose: Compose, settings: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert volumes(compose)
    assert cleanup.clean(compose, compose.read(), settings) == 0
    assert volumes(compose) == ""
    assert f"volume {compose.overrides['COMPOSE_PROJECT_NAME']}_data" in capfd.readouterr().out


@needs_engine
def test_it_removes_nothing_where_nobody_can_answer(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(cli.UsageError, match="make clean CONFIRM=yes"):
        cleanup.clean(compose, compose.read(), {})
    assert volumes(compose)


@needs_engine
@pytest.mark.parametrize(("answer", "left"), [("n\n", True), ("\n", True), ("y\n", False)])
def test_it_does_as_the_person_answers(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, answer: str, left: bool
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert cleanup.clean(compose, compose.read(), {}) == int(left)
    assert bool(volumes(compose)) is left


@needs_engine
def test_down_keeps_the_volumes(compose: Compose) -> None:
    assert commands.down(commands.Run(compose, {})) == 0
    assert volumes(compose)
