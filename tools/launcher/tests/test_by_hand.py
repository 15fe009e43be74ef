"""Where the choice of a start is kept for `docker compose` by hand, and where it can't be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.launcher.by_hand import forget_settings, keep_settings
from tools.launcher.commands import open_run
from tools.launcher.compose import Stack
from tools.launcher.kept import keep
from tools.launcher.tests.conftest import needs_docker, needs_engine

SETTINGS = {"GTE_MODEL": "builtin:lexical"}


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_ENV_FILES", "HEARTBEAT_URL", "ALERT_INBOX_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Keep the settings of a project in the test's folder; the function returns what is printed."""

    def keep(project: str = "p") -> str:
        keep_settings(tmp_path, Stack(project, {}), SETTINGS, {})
        return capsys.readouterr().out

    return keep


def test_it_is_kept_and_said(tmp_path: Path, told: Callable[..., str]) -> None:
    assert told() == "Kept in .env for `docker compose` by hand: GTE_MODEL\n"
    assert "\nGTE_MODEL=builtin:lexical\n" in (tmp_path / ".env").read_text(encoding="utf-8")


def test_secrets_of_the_environment_are_named_and_not_kept(
    tmp_path: Path, told: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_URL", "https://example.com/secret")
    assert "Not kept, because they are secrets: HEARTBEAT_URL." in told()
    assert "example.com" not in (tmp_path / ".env").read_text(encoding="utf-8")


def test_where_compose_reads_other_files_they_are_named(
    tmp_path: Path, told: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_ENV_FILES", "prod.env")
    assert told().startswith("Compose reads prod.env (COMPOSE_ENV_FILES), not .env.")
    assert not (tmp_path / ".env").exists()


def test_a_file_that_cant_be_written_does_not_end_the_start(tmp_path: Path, told: Callable[..., str]) -> None:
    (tmp_path / ".env").symlink_to("nowhere/.env")
    assert ".env can't be written" in told()


@needs_docker
@pytest.mark.parametrize("running", [True, False])
def test_a_second_project_of_the_environment_leaves_the_file_to_the_first_while_that_has_containers(
    tmp_path: Path,
    told: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    fake_docker: Callable[[str], None],
    running: bool,
) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=first\n", encoding="utf-8")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "second")
    monkeypatch.setenv("REAL_PATH", os.environ["PATH"])
    listed = f'echo "{tmp_path}"' if running else "true"
    fake_docker(f'if [ "$1" = ps ]; then {listed}; else PATH="$REAL_PATH" exec docker "$@"; fi')
    output = told("second")
    kept = "GTE_MODEL=builtin:lexical" in (tmp_path / ".env").read_text(encoding="utf-8")
    assert (".env is that of the project first" in output, kept) == (running, not running)


@pytest.mark.parametrize("kind", ["folder", "half"])
def test_removing_the_stack_does_not_end_in_an_error_of_env(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.mkdir() if kind == "folder" else file.write_text("# <<<\n", encoding="utf-8")
    forget_settings(tmp_path, Stack("p", {}))
    assert "What make wrote in .env stays there: " in capsys.readouterr().out


@needs_engine
def test_a_start_without_compose_file_forgets_that_of_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, service in (("compose", "one"), ("gateway", "two"), ("compose.override", "three")):
        content = f"name: p\nservices: {{{service}: {{image: none}}}}\n"
        (tmp_path / f"{file}.yaml").write_text(content, encoding="utf-8")
    keep(tmp_path, {"COMPOSE_FILE": "compose.yaml:gateway.yaml"})

    def services() -> set[str]:
        return set(open_run(tmp_path, os.environ, anew=True).compose.read().services)

    assert services() == {"one", "three"}
    (tmp_path / "compose.override.yaml").unlink()
    assert services() == {"one"}
    monkeypatch.setenv("COMPOSE_FILE", "")
    assert services() == {"one"}
    assert set(open_run(tmp_path, os.environ).compose.read().services) == {"one", "two"}
    monkeypatch.setenv("COMPOSE_FILE", "gateway.yaml")
    assert services() == {"two"}
    monkeypatch.delenv("COMPOSE_FILE")
    content = (tmp_path / ".env").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(f"COMPOSE_FILE=gateway.yaml\n{content}", encoding="utf-8")
    assert services() == {"two"}
