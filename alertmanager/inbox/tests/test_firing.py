"""The page shows what Alertmanager itself says: a real one, in a container."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from running_inbox import Json, RunningInbox, alert, notification, wait_until
from test_page import page
from test_watchdog import bark, is_silent

# An Alertmanager that runs already, where there is no engine to start one.
GIVEN = os.environ.get("ALERT_INBOX_TEST_ALERTMANAGER", "")
COMPOSE = Path(__file__).resolve().parents[3] / "compose.yaml"


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def has_engine() -> bool:
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    )


pytestmark = pytest.mark.skipif(not has_engine(), reason="no Docker engine answers")


class RunningAlertmanager:
    """The version that compose.yaml names, with the configuration that its image has."""

    def __init__(self) -> None:
        self.name, self.url = "", GIVEN
        if not GIVEN:
            self._start()

    def _start(self) -> None:
        image = re.search(r"prom/alertmanager:\S+", COMPOSE.read_text())
        assert image
        self.name = f"inbox-test-{uuid.uuid4().hex[:8]}"
        docker("run", "--detach", f"--name={self.name}", "--publish=127.0.0.1::9093", image[0])
        self.url = f"http://{docker('port', self.name, '9093/tcp')}"
        wait_until(self._answers, "Alertmanager answers")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def post(self, path: str, body: Json) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5):
            pass

    def fire(self, name: str, seconds: float, severity: str = "warning", **labels: str) -> None:
        """Send an alert as Prometheus does: it ends after so many seconds, unless it is sent again."""
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        sent = {
            "labels": {"alertname": name, "severity": severity, **labels},
            "annotations": {
                "summary": f"{name} summary",
                "description": f"{name} description",
                "runbook_url": "https://example.com/r",
            },
            "startsAt": "2026-03-04T05:06:07Z",
            "endsAt": ends.isoformat(),
            "generatorURL": "http://127.0.0.1:9091/graph?g0.expr=up",
        }
        self.post("alerts", [sent])


@pytest.fixture
def alertmanager() -> Iterator[RunningAlertmanager]:
    running = RunningAlertmanager()
    yield running
    if running.name:
        docker("rm", "--force", "--volumes", running.name)


@pytest.fixture
def watching(stopped_inbox: RunningInbox, alertmanager: RunningAlertmanager) -> RunningInbox:
    """An inbox that asks it, and counts two seconds without the watchdog as silence."""
    stopped_inbox.environment |= {
        "ALERT_INBOX_ALERTMANAGER_API_URL": alertmanager.url,
        "ALERT_INBOX_ALERTMANAGER_URL": "http://am.example.com",
        "ALERT_INBOX_SILENCE_SECONDS": "2",
    }
    stopped_inbox.start()
    return stopped_inbox


def firing(inbox: RunningInbox) -> list[str]:
    """The names of the alerts that fire, each with its state."""
    return [
        " ".join(filter(None, (one["labels"]["alertname"], one["muted"], "unconfirmed" * one["unconfirmed"])))
        for one in inbox.get("/api/firing").json()["alerts"]
    ]


def test_what_fires_is_what_alertmanager_says_and_not_what_was_told_last(
    watching: RunningInbox, alertmanager: RunningAlertmanager
) -> None:
    # An all-clear that never came.
    watching.post(notification(alert("ToldAndForgotten")))
    alertmanager.fire("Watchdog", 300, "none")
    alertmanager.fire("Quiet", 300)
    alertmanager.fire("Loud", 300, "critical", task_type="qa")
    matcher = {"name": "alertname", "value": "Quiet", "isRegex": False, "isEqual": True}
    times = {"startsAt": datetime.now(UTC).isoformat(), "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    alertmanager.post("silences", {"matchers": [matcher], "createdBy": "test", "comment": "test", **times})
    wait_until(lambda: sorted(firing(watching)) == ["Loud", "Quiet silenced"], "both are seen")
    shown = page(watching).text
    now, history = shown.split("Notifications\n")
    assert "ToldAndForgotten" not in now
    assert "ToldAndForgotten" in history
    assert now.index("Loud summary") < now.index("Quiet summary")
    assert "silenced" in now
    links = page(watching).all("a", "href")
    assert "https://example.com/r" in links
    assert "http://127.0.0.1:9091/graph?g0.expr=up" in links
    silence = "http://am.example.com/#/silences/new?filter=%7Balertname%3D%22Loud%22%2Cseverity%3D%22critical%22"
    assert [link for link in links if link.startswith(silence)]
    for query, name in (("severity=critical", "Loud"), ("task=qa", "Loud"), ("alertname=Quiet", "Quiet")):
        now, _ = page(watching, f"/?{query}").text.split("Notifications\n")
        assert [each for each in ("Loud", "Quiet") if f"{each} summary" in now] == [name]
    assert "Of the alerts that fire, 2, none matches." in page(watching, "/?task=none").text
    assert "正在告警" in page(watching, language="zh").text


def test_the_page_says_as_of_when_while_alertmanager_cannot_be_asked(
    watching: RunningInbox, alertmanager: RunningAlertmanager
) -> None:
    alertmanager.fire("Kept", 300)
    wait_until(lambda: firing(watching) == ["Kept"], "it is seen")
    docker("kill", alertmanager.name)
    wait_until(lambda: watching.get("/api/firing").json()["is_old"], "the silence is noticed", 60)
    known = watching.get("/api/firing").json()
    as_of = datetime.fromisoformat(known["as_of"]).strftime("%Y-%m-%d %H:%M:%S")
    assert f"Alertmanager has not answered since {as_of}." in page(watching).text
    assert firing(watching) == ["Kept"]
    watching.stop()
    watching.start()
    assert "nobody knows what fires" in page(watching).text
    assert watching.get("/healthz").status == 200


def test_an_end_while_monitoring_is_silent_is_unconfirmed_until_it_is_heard_again(
    watching: RunningInbox, alertmanager: RunningAlertmanager
) -> None:
    alertmanager.fire("Ends", 12)
    wait_until(lambda: firing(watching) == ["Ends"], "it is seen")
    wait_until(lambda: is_silent(watching), "the silence is noticed")
    # What Alertmanager tells then, for want of news.
    watching.post(notification(alert("Ends", "resolved")))
    wait_until(lambda: firing(watching) == ["Ends unconfirmed"], "it has ended", 40)
    now, history = page(watching).text.split("Notifications\n")
    assert "Over? Not confirmed" in now
    assert "Over? Not confirmed" in history
    assert "疑似恢复，未确认" in page(watching, language="zh").text

    def ended() -> bool:
        bark(watching)
        return firing(watching) == []

    wait_until(ended, "monitoring is heard, and the alert has really ended", 30)
    assert "Nothing fires in Alertmanager." in page(watching, "/?task=none").text
    watching.post(notification(alert("Ends")))
    watching.post(notification(alert("Ends", "resolved")))
    assert [one["unconfirmed"] for one in watching.stored()] == [False, False, True]
