"""Finds a folder with the CPU wheel of PyTorch, so that a build needs no index for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from launcher.compose import Service
from launcher.console import say

_TORCH_WHEEL = "torch-*+cpu*.whl"


def wheels_override(services: Sequence[Service], settings: Mapping[str, str], root: Path) -> dict[str, str]:
    """WHEELS_DIR for a build, from pip's own settings, where nobody has set it and a wheel lies there."""
    wanted = any("wheels" in service.build_contexts for service in services)
    if not wanted or "WHEELS_DIR" in settings or has_torch(root / "offline/wheels"):
        return {}
    for folder in find_links_folders(_find_links()):
        if has_torch(folder):
            say(f"PyTorch is taken from {folder}, where pip on this host looks for wheels (WHEELS_DIR)")
            return {"WHEELS_DIR": str(folder)}
    return {}


def find_links_folders(find_links: str) -> list[Path]:
    """The local folders among pip's find-links, which are paths or addresses separated by blanks."""
    folders = []
    for link in find_links.split():
        address = urlsplit(link)
        if address.scheme == "file":
            folders.append(Path(unquote(address.path)))
        elif not address.scheme:
            folders.append(Path(link).expanduser())
    return folders


def has_torch(folder: Path) -> bool:
    """Whether the folder holds a CPU wheel of PyTorch."""
    return folder.is_dir() and any(folder.glob(_TORCH_WHEEL))


def _find_links() -> str:
    """What pip on this host is told about find-links: by its variable, else by its configuration."""
    given = os.environ.get("PIP_FIND_LINKS", "")
    if given:
        return given
    command = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout if asked.returncode == 0 else ""
