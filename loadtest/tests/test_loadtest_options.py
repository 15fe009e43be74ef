"""Load goes only to this machine and the stack's own network, and a run is bounded."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from loadtest.options import SCENARIOS, read_options
from loadtest.target import check_target
from tools.cli import UsageError


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:5000", "http://127.9.9.9:1", "http://[::1]:5000", "http://localhost:5000"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    check_target(url)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found: Any = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_service_of_the_compose_network_may_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "172.18.0.3", "172.18.0.4")
    check_target("http://gte-service:5000")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com:80",
        "http://8.8.8.8:80",
        "http://192.168.1.10:5000",
        "http://10.0.0.1:5000",
        "http://[2001:db8::1]:80",
        "http://gte-service.example:80",
        "http://134744072:80",
        "http://0x08080808:80",
    ],
)
def test_other_machines_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "8.8.8.8")
    with pytest.raises(UsageError, match="load is sent only to this machine"):
        check_target(url)


@pytest.mark.parametrize("addresses", [("8.8.8.8",), ("172.18.0.3", "8.8.8.8"), ("8.8.8.8", "127.0.0.1")])
def test_a_short_name_of_a_public_address_is_refused(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving_to(monkeypatch, *addresses)
    with pytest.raises(UsageError, match="load is sent only to this machine"):
        check_target("http://server:80")


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UsageError, match="'gte-service', which is unknown here"):
        check_target("http://gte-service:5000")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:5000",
        "https://127.0.0.1:5000",
        "http://127.0.0.1",
        "http://127.0.0.1:x",
        "http://:5000",
        "http://127.0.0.1:1/x",
    ],
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="it has to look like"):
        check_target(url)


def test_the_defaults_are_a_short_mixed_run() -> None:
    options = read_options([], {})
    assert (options.scenario, options.seconds, options.connections) == ("mixed", 20, 8)
    assert options.target_url == "http://127.0.0.1:5000"
    assert options.prometheus_url == "http://prometheus:9090"
    assert {"embedding", "similarity", "mixed"} == set(SCENARIOS)


def test_an_address_of_the_environment_is_taken() -> None:
    options = read_options([], {"LOADTEST_TARGET_URL": "http://localhost:1/", "LOADTEST_PROMETHEUS_URL": ""})
    assert options.target_url == "http://localhost:1"
    assert options.prometheus_url == "http://prometheus:9090"


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-scenario"],
        ["scenario"],
        ["--duration", "0"],
        ["--duration", "601"],
        ["--duration", "1.5"],
        ["--connections", "257"],
        ["--connections", "-1"],
        ["--threads", "17"],
        ["--timeout", "0"],
        ["--allow-status", "200"],
        ["--max-p95", "0"],
        ["--max-p95", "nan"],
        ["--min-qps", "inf"],
        ["--min-qps", "fast"],
    ],
)
def test_options_out_of_bounds_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments, {})
    assert ended.value.code == 2


def test_connections_that_threads_cant_share_are_refused() -> None:
    with pytest.raises(UsageError, match="8 connections can't be shared evenly by 3 threads"):
        read_options(["--threads", "3"], {})


@pytest.mark.parametrize("text", [None, "", "# only a comment\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=r"no key can be read .*(it holds none|No such file)"):
        read_options([], {"LOADTEST_API_KEYS_FILE": str(file)})


def test_options_show_no_key(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("first-key-0123456789")
    options = read_options([], {"LOADTEST_API_KEYS_FILE": str(tmp_path / "keys")})
    assert options.api_key == "first-key-0123456789"
    assert "first-key" not in repr(options)
