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

from tools import cli
from tools.launcher.compose import Service
from tools.launcher.console import show

ANY_CPU_VERSION = "*+cpu"
_OWN_FOLDER = "offline/wheels"
_PIP_FIND_LINKS = re.compile(r"^(:env:|install|global)\.find-links=(.*)$", re.MULTILINE)
# In pip's own order: the variable, the command's section, the section for all.
_PIP_SOURCES = (":env:", "install", "global")


def wheels_override(services: Sequence[Service], settings: Mapping[str, str], root: Path) -> dict[str, str]:
    """WHEELS_DIR for a build of these services: from pip's own settings, if it is not set and a wheel lies there.

    Raises:
        UsageError: the folder that the build would use holds PyTorch in another version only.
    """
    builds = [service for service in services if "wheels" in service.build_contexts]
    if not builds:
        return {}
    version = builds[0].build_args.get("TORCH_VERSION", ANY_CPU_VERSION)
    check_wheels(Path(settings.get("WHEELS_DIR", root / _OWN_FOLDER)), version)
    folder = find_wheels(settings, root, version)
    if folder is None:
        return {}
    show(f"PyTorch is taken from {folder}, where pip on this host looks for wheels (WHEELS_DIR)")
    return {"WHEELS_DIR": str(folder)}


def find_wheels(settings: Mapping[str, str], root: Path, version: str = ANY_CPU_VERSION) -> Path | None:
    """The folder among pip's find-links that holds the wheel; None where there is none or none is needed."""
    if "WHEELS_DIR" in settings or has_torch(root / _OWN_FOLDER, version):
        return None
    return next((folder for folder in find_links_folders(_find_links()) if has_torch(folder, version)), None)


def check_wheels(folder: Path, version: str) -> None:
    """Make sure that a build with this folder can install PyTorch: with any wheel of it there, no index is asked.

    Raises:
        UsageError: the folder holds PyTorch, though not in this version.
    """
    found = sorted(wheel.name for wheel in folder.glob("torch-*.whl"))
    if found and not has_torch(folder, version):
        raise cli.UsageError(
            f"The folder of wheels {folder} (WHEELS_DIR) holds {', '.join(found)}, and the service is built with "
            f"torch {version}.\nPut the wheel of that version there, or take the other away: then the build asks "
            "TORCH_INDEX_URL."
        )


def has_torch(folder: Path, version: str = ANY_CPU_VERSION) -> bool:
    """Whether the folder holds a wheel of PyTorch in this version; the version may be a pattern."""
    return any(folder.glob(f"torch-{version}-*.whl"))


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


def _find_links() -> str:
    """The find-links that `pip install` would use on this host."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    asked = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if asked.returncode != 0:
        # Without pip in this Python its variable still counts.
        return os.environ.get("PIP_FIND_LINKS", "")
    found = dict(_PIP_FIND_LINKS.findall(asked.stdout))
    return str(ast.literal_eval(next((found[source] for source in _PIP_SOURCES if source in found), "''")))
