"""The reverse proxy answers for the names that are set, and says what is wrong with them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.config.containers import ROOT, docker, image_of, needs_engine, unique, wait_for

pytestmark = needs_engine

Start = Callable[[str, str], str]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts it with PUBLIC_HOST and ALLOWED_HOSTS, alone; returns its container."""
    name = unique("proxy")

    def started(public: str, allowed: str) -> str:
        docker(
            "run", "--detach", f"--name={name}", "--network=none", "--add-host=published:127.0.0.1", "--read-only",
            "--cap-drop=ALL", "--user=101:101", "--tmpfs=/tmp", f"--env=PUBLIC_HOST={public}",
            f"--env=ALLOWED_HOSTS={allowed}", f"--volume={ROOT}/reverse-proxy:/etc/reverse-proxy:ro",
            "--entrypoint=/bin/sh", image_of("reverse-proxy"), "/etc/reverse-proxy/start.sh",
        )  # fmt: skip
        return name

    try:
        yield started
    finally:
        docker("rm", "--force", name)


def refusal(container: str, host: str) -> str:
    """What Alertmanager's port says to a page of another origin that asks by a name."""
    lines = ("GET / HTTP/1.1", f"Host: {host}", "Origin: http://other", "Connection: close", "", "")
    request = "\\r\\n".join(lines)
    return docker("exec", container, "sh", "-c", f"printf '{request}' | nc 127.0.0.1 9093")


def test_the_names_that_are_set_are_answered_and_no_part_or_end_of_them(start: Start) -> None:
    container = start("Monitor.example", "gpu-1.lan, me,::1")
    # Nobody is behind it here; which of the two it refuses tells whether it knows the name.
    wait_for("it listens", lambda: refusal(container, "localhost"))
    for host in ("monitor.example:9093", "MONITOR.example", "gpu-1.lan", "me", "[::1]:9093", "10.1.2.3"):
        assert "A page of another origin asks here, and may not: http://other" in refusal(container, host), host
    for host in ("evil.example", "monitorxexample", "x.monitor.example", "monitor.example.evil", "10.1.2.3.nip.io"):
        assert f"This stack doesn't answer for the name '{host}'" in refusal(container, host), host


@pytest.mark.parametrize("names", ["http://monitor.example", "monitor.example:9093", "a;b", "*", "*.example", "[a-z]*"])
def test_what_is_no_name_ends_the_start_with_a_sentence(start: Start, names: str) -> None:
    container = start("", names)
    assert docker("wait", container).strip() == "1"
    logs = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    assert f"'{names}' is no host name. Write names alone" in logs.stderr
