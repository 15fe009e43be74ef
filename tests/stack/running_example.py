"""Starts the existing app's stack as its README does, and takes all of it away again."""

from __future__ import annotations

import atexit
import json
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.config.containers import IMAGE_TAG
from tests.stack import running
from tests.stack.running import PORTS, Stack, free_ports
from tools import ROOT
from tools.launcher.images import is_present
from tools.launcher.settings import read_settings

FOLDER = ROOT / "examples" / "existing-app"
PROJECT = f"{running.PROJECT}-example"
# A container in the host's own network: for Prometheus' container it is an app on the host.
HOST_APP = f"{PROJECT}-on-host"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


class Example(Stack):
    """The stack of the existing app: a project, ports and image tags of its own."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Use the project's settings, from its .env too, as whoever names that file does."""
        own = {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_FILE": os.pathsep.join([str(FOLDER / "compose.yaml"), self._own_targets()]),
            "IMAGE_TAG": f"{IMAGE_TAG}-example",
            "BIND_ADDRESS": "127.0.0.1",
        }
        ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        super().__init__({**environ, **read_settings(ROOT, environ), **own, **ports})

    def _own_targets(self) -> str:
        """A Compose file that puts a folder of this run in the place of prometheus/targets/ of the checkout."""
        self.folder = tempfile.TemporaryDirectory(prefix="gte-test-targets-")
        atexit.register(self.folder.cleanup)
        self.targets = Path(self.folder.name)
        self.targets.chmod(0o755)
        (self.targets / "targets").mkdir()
        volume = f"{self.targets / 'targets'}:/etc/prometheus/targets:ro"
        override = self.targets / "compose.yaml"
        override.write_text(json.dumps({"services": {"prometheus": {"volumes": [volume]}}}))
        return str(override)

    @property
    def image(self) -> str:
        """The app's image."""
        return f"gte-observability/existing-app:{self.environ['IMAGE_TAG']}"

    def up(self) -> None:
        """Start it by the README's command; without Grafana, as it says, where that can't be had."""
        services = []
        if not is_present(self._images()["grafana"]):
            services = found_in_readme(r"`… --wait (.+)`").split()
        self.must(*found_in_readme(r"^(docker compose up .+)$").split(), *services)

    def remove(self) -> None:
        """Remove containers, network, volumes and the images that were built; nothing may be there."""
        self.run("docker", "rm", "--force", HOST_APP)
        self.run("docker", "compose", "down", "--volumes", "--remove-orphans", "--timeout", "1")
        for name in ("existing-app", "alert-inbox", "node-exporter"):
            self.run("docker", "image", "rm", f"gte-observability/{name}:{self.environ['IMAGE_TAG']}")

    def left(self) -> list[str]:
        """What is still there of this project."""
        label = f"label=com.docker.compose.project={PROJECT}"
        found = [
            line
            for kind, *options in (("container", "-a"), ("volume",), ("network",))
            for line in self.must("docker", kind, "ls", "-q", *options, "--filter", label).split()
        ]
        tagged = self.must("docker", "image", "ls", "-q", "--filter", f"reference=*/*:{self.environ['IMAGE_TAG']}")
        return found + tagged.split()

    def post(self, task_type: str, input_text: str) -> int:
        """Send a task; returns the HTTP status."""
        body = json.dumps({"task_type": task_type, "input_text": input_text}).encode()
        request = urllib.request.Request(self.url("GTE_PORT", "/predict"), body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def _images(self) -> dict[str, str]:
        services = json.loads(self.must("docker", "compose", "config", "--format", "json"))["services"]
        return {name: service["image"] for name, service in services.items()}


def found_in_readme(pattern: str) -> str:
    """What the pattern's group matches, in the one place where it does."""
    (found,) = re.findall(pattern, README, re.M)
    return str(found)
