"""The advice when no engine answers, case by case, and the announcement of an installation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.launcher.container_engine import Answer, Host, advise, announce_engine, parse_version

LINUX = Host(system="Linux", debian=False, root=False, wsl=False, docker_service=False)
DEBIAN_ROOT = replace(LINUX, debian=True, root=True)
ABSENT = Answer(found=False, version="", error="there is no `docker` program on the PATH")
STOPPED = Answer(found=True, version="", error="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
FORBIDDEN = Answer(found=True, version="", error="permission denied while trying to connect to the docker API")


@pytest.mark.parametrize(
    ("host", "answer", "docker_host", "advice"),
    [
        (LINUX, ABSENT, "", "Install Docker Engine with its Compose plug-in"),
        (LINUX, STOPPED, "", "sudo service docker start"),
        (LINUX, FORBIDDEN, "", 'sudo usermod -aG docker "$USER"'),
        (LINUX, STOPPED, "tcp://far:2375", "DOCKER_HOST is tcp://far:2375"),
        (replace(LINUX, docker_service=True), STOPPED, "", "sudo systemctl start docker"),
        (replace(LINUX, debian=True), ABSENT, "", "sudo make up"),
        (replace(LINUX, wsl=True), ABSENT, "", "WSL integration"),
        (replace(LINUX, system="Darwin"), ABSENT, "", "Install Docker Desktop"),
        (replace(LINUX, system="Darwin"), STOPPED, "", "open -a Docker"),
        (replace(DEBIAN_ROOT, docker_service=True), STOPPED, "", "sudo systemctl start docker"),
        (DEBIAN_ROOT, STOPPED, "tcp://far:2375", "DOCKER_HOST is tcp://far:2375"),
    ],
)
def test_the_advice_fits_the_case(host: Host, answer: Answer, docker_host: str, advice: str) -> None:
    assert advice in advise(host, answer, docker_host)


@pytest.mark.parametrize("answer", [ABSENT, STOPPED])
def test_root_on_debian_needs_no_advice(answer: Answer) -> None:
    assert advise(DEBIAN_ROOT, answer, "") == ""


def test_packages_are_for_root_on_debian_only() -> None:
    assert DEBIAN_ROOT.takes_packages
    assert not replace(DEBIAN_ROOT, root=False).takes_packages
    assert not replace(DEBIAN_ROOT, debian=False).takes_packages


@pytest.mark.parametrize(
    ("text", "version"),
    [("2.40.3-3", (2, 40, 3)), ("v2.24.0\n", (2, 24, 0)), ("2.24", (2, 24)), ("dev", ()), ("", ())],
)
def test_a_version_is_read(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_a_person_at_a_terminal_has_time_to_stop_an_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tools.launcher.container_engine.time.sleep", pauses.append)
    announce_engine({}, can_interrupt=True)
    assert pauses == [5.0]
    printed = capsys.readouterr().out
    assert "/opt/docker" in printed
    assert "Ctrl-C" in printed


@pytest.mark.parametrize(
    ("environ", "can_interrupt"), [({"INSTALL": "yes"}, True), ({"CI": "true"}, True), ({}, False)]
)
def test_nobody_else_is_waited_for(
    environ: dict[str, str],
    can_interrupt: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tools.launcher.container_engine.time.sleep", lambda seconds: pytest.fail("it waited"))
    announce_engine(environ, can_interrupt=can_interrupt)
    assert "/opt/docker" in capsys.readouterr().out
