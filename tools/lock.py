"""Resolves every requirements*.in into a lock: all packages with their versions and hashes (`make lock`).

Versions stay as they are unless `--upgrade` is given. The order matters: later files take their versions from
earlier ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import ROOT, cli

UV = "uv==0.13.9"
LOCKS = (
    "gte-service/requirements",
    "gte-service/requirements-dev",
    "alertmanager/inbox/requirements",
    "grafana/viewer/server/requirements",
    "grafana/viewer/requirements-node",
    "tests/smoke/requirements",
    "examples/existing-app/requirements",
    "tools/requirements-lint",
    "tools/evaluation/requirements-e5",
    "tools/requirements-audit",
    "tools/bench/rivals/requirements-sentence-transformers",
    "tools/bench/rivals/requirements-modelscope",
    "tools/bench/rivals/requirements-infinity",
)
_OPTIONS = (
    "--quiet", "--generate-hashes", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
    "--python-version", "3.11", "--python-platform", "linux", "--custom-compile-command", "make lock",
)  # fmt: skip


class LockError(cli.ToolError):
    """A file can't be resolved."""


def main() -> int:
    """Write the locks, or check them; returns the exit status."""
    parser = cli.parser(
        "python3 -m tools.lock", __doc__ or "", cli.EXIT_STATUS.format(good="done", bad="--check: a lock is stale")
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say which locks are stale")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gte-lock-") as scratch:
        uv = _install_uv(Path(scratch))
        stale = [name for name in LOCKS if _resolve(uv, name, given, Path(scratch))]
    for name in stale:
        print(f"{name}.txt {'does not follow from its .in file; run make lock' if given.check else 'written'}")
    return cli.FAILED if given.check and stale else cli.OK


def _install_uv(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--root-user-action=ignore"]
    if subprocess.run([*pip, "--target", str(folder / "uv"), UV], check=False).returncode:
        raise LockError(f"{UV} can't be installed. Pip's message above says why.")
    return folder / "uv" / "bin" / "uv"


def _resolve(uv: Path, name: str, given: argparse.Namespace, scratch: Path) -> bool:
    """Resolve one file; returns whether the lock differs from the one that was there."""
    lock = ROOT / f"{name}.txt"
    before = lock.read_text(encoding="utf-8") if lock.exists() else ""
    # uv prefers the versions that it finds in its output.
    output = scratch / "lock.txt"
    output.write_text("" if given.upgrade else before, encoding="utf-8")
    # PyTorch comes from an index of its own (requirements-torch.txt), without PyPI's libraries for GPUs.
    excluded = scratch / "excluded.txt"
    excluded.write_text("torch\n", encoding="utf-8")
    files = [f"{lock.stem}.in", "--output-file", str(output), "--excludes", str(excluded)]
    command = [str(uv), "pip", "compile", *_OPTIONS, *files]
    # uv has settings of its own; the mirror is named once, as for pip.
    mirror = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if os.environ.get("PIP_INDEX_URL") else {}
    if subprocess.run(command, cwd=lock.parent, env=os.environ | mirror, check=False).returncode:
        raise LockError(f"{name}.in can't be resolved. uv's message above says why.")
    after = output.read_text(encoding="utf-8")
    if after != before and not given.check:
        lock.write_text(after, encoding="utf-8")
    return after != before


if __name__ == "__main__":
    sys.exit(cli.run("lock", main))
