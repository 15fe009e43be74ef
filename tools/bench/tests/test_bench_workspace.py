"""Nothing of a run is left, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.bench import docker
from tools.bench.docker import GENERATOR, PROJECT, DockerError, Workspace


class FakeDocker:
    """An engine that only keeps the containers of the run's project."""

    def __init__(self, *refuses: str) -> None:
        self.refuses = refuses
        self.containers = {"of another project"}

    def __call__(self, *words: str, stdin: str = "", merge: bool = False, timeout: float = 600.0) -> str:
        for refused in self.refuses:
            if refused in words:
                raise DockerError(f"refused: {refused}")
        if words[0] == "rm":
            self.containers.discard(words[-1])
        elif "down" in words:
            assert words[words.index("--project-name") + 1] == PROJECT
            self.containers.discard("candidate")
        return ""


def fill(workspace: Workspace, engine: FakeDocker) -> None:
    engine.containers |= {"candidate", GENERATOR}
    (workspace.folder / "log").touch()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.mark.parametrize("error", [None, RuntimeError("broken"), KeyboardInterrupt()])
def test_nothing_is_left_and_others_keep_their_own(error: BaseException | None, lock: Path) -> None:
    engine = FakeDocker()
    workspace = Workspace(engine, lock)
    try:
        with workspace:
            fill(workspace, engine)
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert engine.containers == {"of another project"}
    assert not workspace.folder.exists()


def test_one_kind_that_stays_does_not_keep_the_others(lock: Path) -> None:
    engine = FakeDocker()
    workspace = Workspace(engine, lock)
    with pytest.raises(DockerError, match="refused"), workspace:
        fill(workspace, engine)
        engine.refuses = ("rm",)
    assert engine.containers == {"of another project", GENERATOR}
    assert not workspace.folder.exists()
    with Workspace(FakeDocker(), lock):
        pass  # the lock is free again


def test_what_a_killed_run_left_is_removed(lock: Path) -> None:
    engine = FakeDocker()
    engine.containers |= {"candidate", GENERATOR}
    with Workspace(engine, lock):
        assert engine.containers == {"of another project"}


def test_two_runs_at_a_time_are_refused(lock: Path) -> None:
    engine = FakeDocker()
    with Workspace(engine, lock) as first:
        fill(first, engine)
        with pytest.raises(DockerError, match="another run is under way"):
            Workspace(engine, lock).__enter__()
        assert "candidate" in engine.containers
    with Workspace(engine, lock):
        pass


def test_a_second_ctrl_c_does_not_stop_the_cleaning(lock: Path) -> None:
    class Impatient(FakeDocker):
        def __call__(self, *words: str, stdin: str = "", merge: bool = False, timeout: float = 600.0) -> str:
            if "candidate" in self.containers:
                os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(*words)

    engine = Impatient()
    before = signal.getsignal(signal.SIGINT)
    with Workspace(engine, lock) as workspace:
        fill(workspace, engine)
    assert engine.containers == {"of another project"}
    assert signal.getsignal(signal.SIGINT) is before


def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: Sequence[str]) -> None:
    program = tmp_path / "docker"
    program.write_text("\n".join(["#!/bin/sh", *lines]), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_the_reason_of_the_engine_is_in_the_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell(monkeypatch, tmp_path, ["echo no such image >&2", "exit 1"])
    with pytest.raises(DockerError, match="`docker run --rm` failed:\nno such image"):
        docker.docker("run", "--rm", "x")


def test_an_engine_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell(monkeypatch, tmp_path, ["exec sleep 60"])
    with pytest.raises(DockerError, match="`docker ps` has not ended after 0 s"):
        docker.docker("ps", timeout=0.2)


def test_both_streams_of_a_log_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell(monkeypatch, tmp_path, ["echo one", "echo two >&2"])
    assert docker.docker("logs", "x") == "one"
    assert docker.docker("logs", "x", merge=True).split() == ["one", "two"]


def test_a_host_without_docker_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerError, match="no `docker` program"):
        docker.docker("ps")
