"""Which Host headers a server answers."""

from __future__ import annotations

import pytest

from gte_monitoring.clients.known_hosts import host_names, is_known

NAMES = host_names("monitor.example, GPU-1.lan.,10.0.0.9,[::1]")


@pytest.mark.parametrize(
    "host",
    ["monitor.example", "Monitor.Example:5001", "monitor.example.:5001", "gpu-1.lan", "localhost:1", "127.0.0.1",
     "10.1.2.3:5001", "[::1]:5001", "[fe80::1]"],
)  # fmt: skip
def test_its_names_and_every_address_are_known(host: str) -> None:
    assert is_known(host, NAMES)


@pytest.mark.parametrize(
    "host",
    ["", ":5001", "evil.example", "monitor.example.evil.example", "xmonitor.example", "127.0.0.1.nip.io", "10.0.0.1x",
     "localhost@evil.example", "evil.example:5001:5001", "[::1", "0x7f.1", "2130706433"],
)  # fmt: skip
def test_every_other_name_is_not(host: str) -> None:
    assert not is_known(host, NAMES)


@pytest.mark.parametrize("value", ["", " , ,"])
def test_without_a_setting_localhost_is_the_only_name(value: str) -> None:
    assert host_names(value) == {"localhost"}


@pytest.mark.parametrize("value", ["http://monitor.example", "monitor.example:5001", "*.example", "监控"])
def test_what_can_be_no_host_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is no host name; write names alone"):
        host_names(value)
