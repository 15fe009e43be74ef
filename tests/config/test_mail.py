"""The second way of notification, past the inbox: what alertmanager.yml has behind `#` is mail that arrives."""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.config.containers import ROOT, docker, image_of, needs_engine, require_image, unique, wait_for
from tests.config.delivery import ALERTMANAGER, ASK, CONFIG, Delivery, alert, quick, running_delivery
from tests.config.test_alertmanager_config import check

pytestmark = needs_engine

SERVER = ROOT / "tests" / "config" / "mail_server.py"
DOWN = {"alertname": "GTE_ServiceDown", "severity": "critical", "job": "gte-service"}
SLOW = {"alertname": "GTE_TaskLatencyHigh", "severity": "warning", "job": "gte-service"}
PASSWORD = "password-of-the-mailbox"  # noqa: S105 - of the tests
CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=smtp.example.com -addext"
    " subjectAltName=DNS:smtp.example.com -keyout /out/key.pem -out /out/certificate.pem && chmod a+r /out/*"
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration once its `#` are taken off, as a user would, with waits of seconds."""
    text, lines = re.subn(r"^( *)#(- |  )", r"\1\2", CONFIG.read_text(encoding="utf-8"), flags=re.M)
    assert lines > 10
    file = tmp_path_factory.mktemp("config") / "alertmanager.yml"
    file.write_text(quick(text), encoding="utf-8")
    return file


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder of secrets: the password, and what the mail server shows to be itself."""
    require_image(image_of("alert-inbox"), "make prepare")
    folder = tmp_path / "notify"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "mail-password.txt").write_text(f"{PASSWORD}\n")
    docker(
        "run", "--rm", "--network=none", f"--volume={folder}:/out", "--user=0", "--entrypoint=sh",
        image_of("alert-inbox"), "-c", CERTIFICATE,
    )  # fmt: skip
    return folder


@pytest.fixture
def delivery(config: Path, secrets: Path) -> Iterator[Delivery]:
    """An Alertmanager that has the folder where compose.yaml mounts it, and trusts that server."""
    trust = "--env=SSL_CERT_FILE=/etc/alertmanager/notify/certificate.pem"
    with running_delivery(config, f"--volume={secrets}:/etc/alertmanager/notify:ro", trust) as started:
        yield started


class Mailbox:
    """A mail server at smtp.example.com, and what came there."""

    def __init__(self, delivery: Delivery, folder: Path) -> None:
        self.name = unique("mail")
        docker(
            "run", "--detach", f"--name={self.name}", f"--network=container:{delivery.inbox}", "--user=0",
            f"--volume={sysconfig.get_path('purelib')}:/packages:ro", "--env=PYTHONPATH=/packages",
            f"--volume={SERVER}:/mail_server.py:ro", f"--volume={folder}:/secrets", "--entrypoint=python",
            image_of("alert-inbox"), "/mail_server.py", "/secrets", PASSWORD,
        )  # fmt: skip

    def post(self, one: dict[str, Any]) -> None:
        """Send an alert to Alertmanager from here."""
        docker("exec", self.name, "python", "-c", ASK, f"{ALERTMANAGER}/api/v2/alerts", json.dumps([one]))

    def mails(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in docker("logs", self.name).splitlines()]


@pytest.fixture
def mailbox(delivery: Delivery, secrets: Path) -> Iterator[Mailbox]:
    box = Mailbox(delivery, secrets)
    yield box
    docker("rm", "--force", box.name)


def test_the_configuration_is_valid_with_it(config: Path) -> None:
    assert "4 receivers" in check(config)


def test_a_critical_alert_and_its_end_reach_the_mailbox_while_the_inbox_hangs(
    delivery: Delivery, mailbox: Mailbox
) -> None:
    delivery.post(alert(SLOW))
    wait_for("the inbox is told of the warning", lambda: delivery.told() == [("firing", [SLOW["alertname"]])])
    began = datetime.now(UTC).isoformat()
    docker("pause", delivery.inbox)
    try:
        mailbox.post(alert(DOWN, startsAt=began))
        wait_for("the mail has come", lambda: len(mailbox.mails()) == 1)
        mailbox.post(alert(DOWN, startsAt=began, endsAt=datetime.now(UTC).isoformat()))
        wait_for("its end has come", lambda: len(mailbox.mails()) == 2)
    finally:
        docker("unpause", delivery.inbox)
    firing, resolved = mailbox.mails()
    assert firing["to"] == resolved["to"] == ["on-call@example.com"]
    assert firing["subject"].startswith("[FIRING:1] GTE_ServiceDown")
    assert resolved["subject"].startswith("[RESOLVED] GTE_ServiceDown")
    assert "GTE_ServiceDown is a test" in firing["text"]


def test_a_wrong_password_is_counted_and_the_mail_comes_once_it_is_right(
    delivery: Delivery, mailbox: Mailbox, secrets: Path
) -> None:
    password = secrets / "mail-password.txt"
    password.write_text("another\n")
    delivery.post(alert(DOWN))
    failed = 'alertmanager_notifications_failed_total{integration="email",[^}]*}'
    wait_for("the refusal is counted", lambda: delivery.metric(failed))
    # The inbox has heard of it all the same.
    wait_for("the inbox is told", lambda: delivery.told() == [("firing", [DOWN["alertname"]])])
    assert mailbox.mails() == []
    password.write_text(f"{PASSWORD}\n")
    wait_for("the mail has come", mailbox.mails)
