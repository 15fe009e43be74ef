"""Runs the programs of offline/, which make an engine and images from Debian packages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

NO_STANDIN = 2
"""Exit status of standins.sh for an image that it has no recipe for."""

SETTINGS = ("DEBIAN_MIRROR", "GRAFANA_ARCHIVE", "GRAFANA_ARCHIVE_SHA256")
"""What they read of .env and of the environment."""

STANDIN_LABEL = "gte-observability.stand-in"
"""The label of the images that it makes, as offline/lib/image.sh writes it."""


def run_offline(root: Path, settings: Mapping[str, str], program: str, *arguments: str) -> int:
    """Run one of the programs on our terminal; returns its exit status."""
    # By name: a zip file made under Windows has no executable files.
    environ = {**os.environ, **{name: settings.get(name, "") for name in SETTINGS}}
    return subprocess.run(["bash", str(root / "offline" / program), *arguments], env=environ, check=False).returncode
