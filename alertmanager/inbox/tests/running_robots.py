"""Starts the fake robots as a process, and writes lines of targets for them."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

TOKEN = "token-of-the-robot"  # noqa: S105 - of the fake
PATHS = {
    "DingTalk": f"/robot/send?access_token={TOKEN}",
    "Feishu": f"/open-apis/bot/v2/hook/{TOKEN}",
    "WeCom": f"/cgi-bin/webhook/send?key={TOKEN}",
}

Json = Any


class RunningRobots:
    """A process that plays every robot."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("fake_robots.py"))]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def behave(self, **rules: Json) -> None:
        """Change how they behave from now on; fake_robots.py lists the rules."""
        data = json.dumps(rules).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/control", data, method="PUT"), timeout=10).close()

    def seen(self, kind: str = "") -> list[Json]:
        """Return every message that has come, refused ones too; only those to one robot, if it is named."""
        with urllib.request.urlopen(f"{self.url}/control", timeout=10) as answer:
            return [one for one in json.load(answer) if kind.lower() in ("", one["kind"])]

    def taken(self, kind: str = "") -> list[Json]:
        """Return the bodies of the messages that were taken."""
        return [one["body"] for one in self.seen(kind) if one["taken"]]

    def line(self, kind: str, options: str = "") -> str:
        """Return the line of a target."""
        return f"{self.url}{PATHS[kind]} {options}".strip()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def text_of(body: Json) -> str:
    """Return everything that a message says, in whatever form."""
    return json.dumps(body, ensure_ascii=False)
