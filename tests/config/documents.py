"""The files of the project that speak of metrics, and the queries in its documents."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from tests.config.containers import ROOT

# Programs that ask for metrics of the service by name.
_PROGRAMS = ("tests/smoke/*.py", "loadtest/loadtest/**/*.py", "tools/reconcile/*.py", "tools/baseline/*.py")
_IMPORT = re.compile(r"^ *(?:from|import) (\w+)", re.M)
_QUERY = re.compile(r"promtool query instant \S+ '([^']+)'|'query=([^']+)'|^```promql\n(.+?)^```", re.M | re.S)


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without what is hidden, virtual environments, and packages of Node."""
    found: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders
            if name[0] != "." and name != "node_modules" and not Path(folder, name, "pyvenv.cfg").exists()
        ]  # fmt: skip
        found += (Path(folder, name) for name in names)
    return tuple(sorted(found))


def documents() -> list[str]:
    """Every Markdown page, by its path in the project."""
    return [_named(path) for path in files() if path.suffix == ".md"]


def programs() -> list[str]:
    """Every Python file that asks for metrics of the service, by its path in the project."""
    return sorted(_named(path) for pattern in _PROGRAMS for path in ROOT.glob(pattern))


@cache
def modules() -> frozenset[str]:
    """The Python modules that the project has or imports: gte_service and flask_cors are among them, and no metrics."""
    sources = [path for path in files() if path.suffix == ".py"]
    imported = {name for path in sources for name in _IMPORT.findall(path.read_text(encoding="utf-8"))}
    return frozenset(imported | {path.stem for path in sources} | {path.parent.name for path in sources})


def queries(document: str) -> list[str]:
    """The PromQL in a document: of promtool, of curl, and of blocks marked as `promql`, one expression a paragraph."""
    return [part for found in _QUERY.findall(document) for part in re.split(r"\n{2,}", "".join(found).strip())]


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
