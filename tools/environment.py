"""Makes the virtual environments of the checkout, each from its locks: `.venv/lint`, `.venv/unit` and `.venv/audit`."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import ROOT
from tools.cli import ToolError
from tools.launcher.wheels import find_wheels, has_torch

_TORCH_VERSION = re.compile(r"^ *TORCH_VERSION: *(\S+)$", re.MULTILINE)
_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


class InstallError(ToolError):
    """A package can't be installed."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        name: its folder in `.venv`.
        locks: files of requirements, which name every package with its version and hashes.
        sources: folders whose packages are imported as they are in the checkout.
        torch: whether it has PyTorch.
    """

    name: str
    locks: tuple[str, ...]
    sources: tuple[str, ...] = ()
    torch: bool = False

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return ROOT / ".venv" / self.name / "bin" / "python"


AUDIT = Environment("audit", ("tools/requirements-audit.txt",))
# The inbox, which some of its tests start from there, imports gte-monitoring.
LINT = Environment("lint", ("tools/requirements-lint.txt",), ("gte-monitoring",))
# Read as a file by the tests of the evaluation, which have PyTorch in another environment.
E5 = Environment("e5", ("tools/evaluation/requirements-e5.txt",))
UNIT = Environment(
    "unit",
    ("gte-service/requirements.txt", "gte-service/requirements-dev.txt"),
    ("gte-monitoring", "gte-service", "alertmanager/inbox", "grafana/viewer/server", "loadtest", "."),
    torch=True,
)


def ensure(environment: Environment, settings: Mapping[str, str] = os.environ) -> Path:
    """Make the environment, unless it is there and its locks are the same as when it was made.

    Args:
        environment: which one.
        settings: WHEELS_DIR and TORCH_INDEX_URL say where PyTorch comes from; pip's own settings count too. The file
            .env does not: only Docker Compose can read it, and this must do without Docker.

    Returns:
        its interpreter.

    Raises:
        InstallError: a package can't be installed.
    """
    folder = ROOT / ".venv" / environment.name
    stamp = folder / "made-from"
    made_from = _digest(environment)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_from:
        return environment.python
    print(f"making {folder.relative_to(ROOT)} for Python {sys.version_info[0]}.{sys.version_info[1]}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    # Without pip: Debian's Python can't install one unless python3-venv is there, and ours can do it from outside.
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    for lock in environment.locks:
        _pip(environment, "--require-hashes", "-r", str(ROOT / lock))
    if environment.torch:
        version = torch_version()
        _pip(environment, *_torch_source(settings, version), f"torch=={version}")
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "checkout.pth").write_text("".join(f"{ROOT / source}\n" for source in environment.sources), "utf-8")
    stamp.write_text(made_from, encoding="utf-8")
    return environment.python


def _digest(environment: Environment) -> str:
    digest = hashlib.sha256(f"{sys.version} {ROOT} {environment}".encode())
    for lock in environment.locks:
        digest.update((ROOT / lock).read_bytes())
    digest.update(torch_version().encode())
    return digest.hexdigest()


def torch_version() -> str:
    """The version that the service's image is built with."""
    (version,) = set(_TORCH_VERSION.findall((ROOT / "compose.yaml").read_text(encoding="utf-8")))
    return str(version)


def _torch_source(settings: Mapping[str, str], version: str) -> list[str]:
    """Pip's options for the place that PyTorch comes from: a folder of wheels, or an index."""
    given = {name: value for name, value in settings.items() if value}
    folder = Path(given.get("WHEELS_DIR") or find_wheels(given, ROOT, version) or ROOT / "offline/wheels")
    if has_torch(folder, version):
        return ["--no-index", "--find-links", str(folder)]
    index = settings.get("TORCH_INDEX_URL") or _TORCH_INDEX
    return ["--index-url", index, "--find-links", index]


def _pip(environment: Environment, *options: str) -> None:
    pip = (sys.executable, "-m", "pip", "--python", str(environment.python), "install", "-qq", "--no-deps")
    _run(*pip, "--disable-pip-version-check", "--root-user-action=ignore", *options)


def _run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise InstallError(
            f"{' '.join(command[1:4])} failed:\n{done.stdout.strip()}\nPip reads its own settings (PIP_INDEX_URL, "
            "pip.conf): name an index there that can be reached."
        )
