"""Nothing of a run is left, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.bench import docker
from tools.bench.docker import LABEL, Workspace
from tools.bench.errors import SetupError


class FakeDocker:
    """An engine that only keeps the names of what is there."""

    def __init__(self, *refuses: str) -> None:
        self.refuses = refuses
        self.there: dict[str, dict[str, str]] = {"ps": {}, "volume": {}, "network": {}}

    def __call__(self, *words: str, merge: bool = False, timeout: float = 600.0) -> str:
        if " ".join(words[:2]) in self.refuses:
            raise SetupError(f"refused: {words}")
        kind = {"rm": "ps", "create": "ps"}.get(words[0], words[0])
        if words[0] == "create" or words[1] == "create":
            self.there[kind][words[-1]] = words[words.index("--label") + 1]
            return words[-1]
        if "--filter" in words:
            wanted = words[-1].removeprefix("label=")
            return "\n".join(name for name, label in self.there[kind].items() if label.startswith(wanted))
        for name in words[1:]:
            self.there[kind].pop(name, None)
        return ""

    @property
    def left(self) -> list[str]:
        return [name for found in self.there.values() for name in found]


def fill(workspace: Workspace) -> None:
    workspace.volume("model")
    workspace.docker("create", *workspace.label, workspace.container("ours"))
    (workspace.folder / "log").touch()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.mark.parametrize("error", [None, RuntimeError("broken"), KeyboardInterrupt()])
def test_nothing_is_left(error: BaseException | None, lock: Path) -> None:
    engine = FakeDocker()
    workspace = Workspace(engine, lock)
    try:
        with workspace:
            fill(workspace)
            assert len(engine.left) == 3
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert engine.left == []
    assert not workspace.folder.exists()


def test_what_others_started_stays(lock: Path) -> None:
    engine = FakeDocker()
    engine.there["ps"]["gte-observability-gte-service-1"] = "com.docker.compose.project=gte-observability"
    with Workspace(engine, lock) as workspace:
        fill(workspace)
    assert engine.left == ["gte-observability-gte-service-1"]


def test_a_failure_at_the_beginning_leaves_nothing(lock: Path) -> None:
    engine = FakeDocker("network create")
    workspace = Workspace(engine, lock)
    with pytest.raises(SetupError, match="refused"):
        workspace.__enter__()
    assert engine.left == []
    assert not workspace.folder.exists() or workspace.folder == Path()
    with Workspace(FakeDocker(), lock):
        pass  # the lock is free again


def test_one_kind_that_stays_does_not_keep_the_others(lock: Path) -> None:
    engine = FakeDocker("rm --force")
    workspace = Workspace(engine, lock)
    with pytest.raises(SetupError, match="a container of this run could not be removed"), workspace:
        fill(workspace)
    assert engine.left == [workspace.container("ours")]
    assert not workspace.folder.exists()


def test_what_a_killed_run_left_is_removed(lock: Path) -> None:
    engine = FakeDocker()
    engine.there["ps"]["gte-bench-dead-ours"] = f"{LABEL}=gte-bench-dead"
    with Workspace(engine, lock):
        assert "gte-bench-dead-ours" not in engine.left


def test_two_runs_at_a_time_are_refused(lock: Path) -> None:
    engine = FakeDocker()
    with Workspace(engine, lock) as first:
        fill(first)
        with pytest.raises(SetupError, match="another run is under way"):
            Workspace(engine, lock).__enter__()
        assert first.container("ours") in engine.left
    with Workspace(engine, lock):
        pass


def test_a_second_ctrl_c_does_not_stop_the_cleaning(lock: Path) -> None:
    class Impatient(FakeDocker):
        def __call__(self, *words: str, merge: bool = False, timeout: float = 600.0) -> str:
            if words[0] == "rm":
                os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(*words, merge=merge, timeout=timeout)

    engine = Impatient()
    before = signal.getsignal(signal.SIGINT)
    with Workspace(engine, lock) as workspace:
        fill(workspace)
    assert engine.left == []
    assert signal.getsignal(signal.SIGINT) is before


def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: Sequence[str]) -> None:
    program = tmp_path / "docker"
    program.write_text("\n".join(["#!/bin/sh", *lines]), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_what_the_engine_says_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell(monkeypatch, tmp_path, ["echo no such image >&2", "exit 1"])
    with pytest.raises(SetupError, match="`docker run --rm` failed:\nno such image"):
        docker.docker("run", "--rm", "x")


def test_an_engine_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell(monkeypatch, tmp_path, ["exec sleep 60"])
    with pytest.raises(SetupError, match="`docker ps` has not ended after 0 s"):
        docker.docker("ps", timeout=0.2)


def test_both_streams_of_a_log_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell(monkeypatch, tmp_path, ["echo one", "echo two >&2"])
    assert docker.docker("logs", "x") == "one"
    assert docker.docker("logs", "x", merge=True).split() == ["one", "two"]


def test_a_host_without_docker_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="no `docker` program"):
        docker.docker("ps")
