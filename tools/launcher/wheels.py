"""Finds a folder with the CPU wheel of PyTorch, so that a build needs no index for it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.launcher.compose import Service
from tools.launcher.console import say

_TORCH_WHEEL = "torch-*+cpu*.whl"
_PIP_SETTING = re.compile(r"^(\S+?)=('.*'|\".*\")$", re.MULTILINE)
# In pip's own order: the variable, the command's section, the section for all.
_FIND_LINKS_KEYS = (":env:.find-links", "install.find-links", "global.find-links")


def wheels_override(services: Sequence[Service], settings: Mapping[str, str], root: Path) -> dict[str, str]:
    """WHEELS_DIR for a build, from pip's own settings, where nobody has set it and a wheel lies there."""
    wanted = any("wheels" in service.build_contexts for service in services)
    folder = find_wheels(settings, root) if wanted else None
    if folder is None:
        return {}
    say(f"PyTorch is taken from {folder}, where pip on this host looks for wheels (WHEELS_DIR)")
    return {"WHEELS_DIR": str(folder)}


def find_wheels(settings: Mapping[str, str], root: Path) -> Path | None:
    """The folder among pip's find-links that holds the wheel; None where there is none or none is needed."""
    if "WHEELS_DIR" in settings or has_torch(root / "offline/wheels"):
        return None
    return next((folder for folder in find_links_folders(_find_links()) if has_torch(folder)), None)


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


def parse_pip_configuration(listed: str) -> str:
    """The find-links that `pip install` would use, from the lines of `pip config list`."""
    values = dict(_PIP_SETTING.findall(listed))
    found = next((values[key] for key in _FIND_LINKS_KEYS if key in values), "''")
    return str(ast.literal_eval(found))


def _find_links() -> str:
    """What pip on this host is told about find-links."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    # Without pip in this Python its variable still counts.
    return parse_pip_configuration(asked.stdout) if asked.returncode == 0 else os.environ.get("PIP_FIND_LINKS", "")
