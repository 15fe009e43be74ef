"""A chat for a running stack: the fake robots of the inbox's own tests, in the network of the stack's containers."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.config.containers import IMAGE_TAG
from tests.stack.running import PROJECT, ROOT, Stack, wait_for

_ROBOTS = ROOT / "alertmanager" / "inbox" / "tests" / "fake_robots.py"
_NAME = f"{PROJECT}-robots"
_LINE = "http://robots:8080/robot/send?access_token=token-of-the-robot language=en\n"


class Chat:
    """A DingTalk group that the stack's inbox sends to, and an address for its heartbeat.

    Attributes:
        folder: what NOTIFY_DIR of the stack must be.
    """

    heartbeat_url = "http://robots:8080/heartbeat"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gte-test-notify-"))
        # The inbox's user is another one.
        self.folder.chmod(0o755)

    def open(self, stack: Stack) -> None:
        """Start the robots beside the containers of a running stack, and let its inbox send to them."""
        image = f"gte-observability/alert-inbox:{IMAGE_TAG}"
        stack.must(
            "docker", "run", "--detach", "--rm", f"--name={_NAME}", f"--network={PROJECT}_alerts",
            "--network-alias=robots", f"--volume={_ROBOTS}:/robots.py:ro", image, "python", "/robots.py", "0.0.0.0",
        )  # fmt: skip
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self._url = f"http://{stack.must('docker', 'inspect', '-f', template, _NAME).strip()}:8080/control"
        targets = self.folder / "targets.txt"
        targets.write_text(_LINE, encoding="utf-8")
        waiting = "alert_inbox_waiting_messages{"
        wait_for(lambda: waiting in stack.get("ALERT_INBOX_PORT", "/metrics"), "the inbox has read its targets", 30)

    def behave(self, **rules: Any) -> None:
        """Change how the robots behave; fake_robots.py lists the rules."""
        data = json.dumps(rules).encode()
        urllib.request.urlopen(urllib.request.Request(self._url, data, method="PUT"), timeout=10).close()

    def messages(self, since: float) -> list[tuple[float, str]]:
        """What the group was told: the time of each message, in Unix time, and its text; oldest first."""
        return [(one["at"], one["body"]["markdown"]["text"]) for one in self._seen("dingtalk", since)]

    def heartbeats(self, since: float) -> int:
        """How many heartbeats came."""
        return len(self._seen("heartbeat", since))

    def close(self, stack: Stack) -> None:
        """End the robots, if they were started."""
        stack.run("docker", "rm", "--force", _NAME)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def _seen(self, kind: str, since: float) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            return [one for one in json.load(answer) if one["kind"] == kind and one["taken"] and one["at"] >= since]
