"""A running Alertmanager and the inbox it tells, in a network of their own that reaches nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.config.containers import ROOT, command_of, docker, image_of, require_image, unique, wait_for

CONFIG = ROOT / "alertmanager" / "alertmanager.yml"
ALERTMANAGER = "http://127.0.0.1:9093"
_INBOX = "http://127.0.0.1:5001"
# Run in the inbox's container, whose network both share: an address, and the JSON to post to it if there is any.
ASK = """
import sys, urllib.request
data = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request(sys.argv[1], data, {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=10).read().decode(), end="")
"""

Labels = dict[str, str]


def alert(labels: Labels, **times: str) -> dict[str, Any]:
    """An alert in the form that Prometheus sends; `startsAt` and `endsAt` in RFC 3339."""
    return {"labels": labels, "annotations": {"summary": f"{labels['alertname']} is a test"}, **times}


def quick(text: str) -> str:
    """The text of a configuration with waits of a second or three: what is told doesn't depend on them, only when."""
    text, replaced = re.subn(r"^( *)group_wait: 10s$", r"\1group_wait: 1s", text, flags=re.M)
    text, more = re.subn(r"^( *)group_interval: 30s$", r"\1group_interval: 3s", text, flags=re.M)
    assert (replaced, more) == (1, 1)
    return text


class Delivery:
    """Both of them, by the names of their containers.

    Attributes:
        inbox: whose network both share.
    """

    def __init__(self, alertmanager: str, inbox: str) -> None:
        self._alertmanager = alertmanager
        self.inbox = inbox

    def ask(self, url: str, *data: str) -> str:
        """Ask one of them from inside; returns the body of the answer.

        Raises:
            DockerError: it didn't answer, or not with 200.
        """
        return docker("exec", self.inbox, "python", "-c", ASK, url, *data)

    def post(self, *alerts: dict[str, Any]) -> None:
        """Send alerts to Alertmanager as Prometheus does, in one request."""
        self.ask(f"{ALERTMANAGER}/api/v2/alerts", json.dumps(alerts))

    def labels(self, state: str, **having: str) -> list[Labels]:
        """The labels of every alert that is `active` or `inhibited` and has the labels given, in order."""
        states = [(name, str(name == state).lower()) for name in ("active", "inhibited")]
        query = [*states, *(("filter", f'{name}="{value}"') for name, value in having.items())]
        found = json.loads(self.ask(f"{ALERTMANAGER}/api/v2/alerts?{urlencode(query)}"))
        return in_order(one["labels"] for one in found)

    def told(self) -> list[tuple[str, list[str]]]:
        """Every notification in the inbox, oldest first: its status and the names of its alerts."""
        stored = json.loads(self.ask(f"{_INBOX}/api/notifications?limit=1000"))["notifications"]
        return [(one["status"], [each["labels"]["alertname"] for each in one["alerts"]]) for one in reversed(stored)]

    def metric(self, name: str, inbox: bool = False) -> float:
        """The sum of a metric's series, or of those that a pattern with labels finds; 0 where there is none."""
        text = self.ask(f"{_INBOX if inbox else ALERTMANAGER}/metrics")
        series = name if "{" in name else rf"{name}(?:{{[^}}]*}})?"
        return sum(float(value) for value in re.findall(rf"^{series} (\S+)$", text, re.M))

    def kill(self) -> None:
        """End Alertmanager with SIGKILL, and start it again with what it has on its disk."""
        docker("kill", "--signal=KILL", self._alertmanager)
        docker("wait", self._alertmanager)
        docker("start", self._alertmanager)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until both answer."""
        for url in (f"{_INBOX}/healthz", f"{ALERTMANAGER}/-/ready"):
            wait_for(f"{url} answers", lambda url=url: self.ask(url))  # type: ignore[misc]


def in_order(labels: Any) -> list[Labels]:
    """Sets of labels in an order that depends on nothing else."""
    return sorted(labels, key=lambda one: sorted(one.items()))


@contextmanager
def running_delivery(config: Path = CONFIG, *options: str) -> Iterator[Delivery]:
    """Start both as compose.yaml does, Alertmanager with `config`; they are gone afterwards.

    Args:
        config: the file in the place of alertmanager.yml.
        options: further ones of `docker run` for Alertmanager.
    """
    require_image(image_of("alert-inbox"), "make prepare")
    alertmanager, inbox = unique("alertmanager"), unique("inbox")
    started = Delivery(alertmanager, inbox)
    locked = ("run", "--detach", "--read-only", "--cap-drop=ALL")
    try:
        docker(
            *locked, f"--name={inbox}", "--network=none", "--add-host=alert-inbox:127.0.0.1", "--tmpfs=/tmp",
            "--add-host=smtp.example.com:127.0.0.1", "--tmpfs=/data:uid=10002", image_of("alert-inbox"),
        )  # fmt: skip
        docker(
            *locked, f"--name={alertmanager}", f"--network=container:{inbox}",
            f"--volume={config}:/etc/alertmanager/alertmanager.yml:ro", *options,
            image_of("alertmanager"), *command_of("alertmanager"),
        )  # fmt: skip
        started.wait_until_ready()
        yield started
    finally:
        docker("rm", "--force", "--volumes", alertmanager, inbox)
