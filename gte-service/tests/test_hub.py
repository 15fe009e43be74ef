"""A model comes from ModelScope through its own client: with progress, resumption, checks, and only when asked."""

from __future__ import annotations

import errno
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hub_server import MODEL, Hub
from published_models import PUBLISHED, TEXTS

from conftest import PAUSING, Service, wait_for
from gte_service.engine import Encoder
from gte_service.engine.store.hub import fetch
from gte_service.errors import DownloadError, StorageError


@pytest.fixture
def hub(lexical_source: Path, tmp_path: Path) -> Iterator[Hub]:
    serving = Hub(Path(shutil.copytree(lexical_source, tmp_path / "hub")))
    yield serving
    serving.close()


def environ(hub: Hub, home: Path) -> dict[str, str]:
    return dict(os.environ) | {
        "GTE_MODEL": MODEL,
        "GTE_MODELS_HOME": str(home / "models"),
        "GTE_RUN_DIR": str(home / "run"),
        "MODELSCOPE_ENDPOINT": hub.endpoint,
        "MODELSCOPE_CACHE": str(home / "cache"),
        "MODELSCOPE_HOME": str(home / "modelscope"),
        "MODELSCOPE_DOWNLOAD_RETRY_TIMES": "1",
        "HOME": str(home),
    }


# The command, with a tenth of the pauses between two tries.
IMPATIENT = """
import sys
from gte_service.__main__ import main
from gte_service.serving import preparer
preparer.FIRST_WAIT_SECONDS /= 10
sys.exit(main(sys.argv[1:]))
"""


def command(hub: Hub, home: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *words],
        env=environ(hub, home) | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run(hub: Hub, home: Path, *words: str, **more: str) -> tuple[int, str]:
    with command(hub, home, *words, **more) as process:
        output, _ = process.communicate(timeout=120)
        return process.returncode, output


def status(home: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads((home / "run" / "model.json").read_text())
    except OSError:
        return {"state": "nothing yet"}
    return found


def test_a_model_is_fetched_once_and_then_used_without_the_network(hub: Hub, tmp_path: Path) -> None:
    assert run(hub, tmp_path, "model-present")[0] == 1
    exit_status, output = run(hub, tmp_path, "prepare")
    assert exit_status == 0, output
    first = status(tmp_path)
    assert first["state"] == "prepared"
    assert first["downloaded_bytes"] == first["total_bytes"] == sum(
        path.stat().st_size for path in hub.folder.iterdir()
    )  # fmt: skip
    asked = len(hub.asked)
    assert run(hub, tmp_path, "model-present")[0] == 0
    assert run(hub, tmp_path, "prepare")[0] == 0
    assert status(tmp_path)["revision"] == first["revision"]
    assert len(hub.asked) == asked, "a cached model must not be asked for again"


def test_one_download_serves_every_precision(hub: Hub, tmp_path: Path) -> None:
    assert run(hub, tmp_path, "prepare", GTE_PRECISION="int8")[0] == 0
    fast = status(tmp_path)
    asked = len(hub.asked)
    assert run(hub, tmp_path, "prepare")[0] == 0
    exact = status(tmp_path)
    assert (fast["precision"], exact["precision"]) == ("int8", "fp32")
    assert fast["revision"] == exact["revision"]
    assert fast["folder"] == f"{exact['folder']}-int8"
    assert len(hub.asked) == asked, "the other precision must not be fetched"


@pytest.mark.parametrize("name", ["m3e", "old", "e5"])
def test_a_model_in_another_layout_is_fetched_with_all_that_it_declares(hub: Hub, tmp_path: Path, name: str) -> None:
    published = PUBLISHED[name]
    shutil.rmtree(hub.folder)
    published.write(hub.folder)
    (hub.folder / "onnx").mkdir()
    (hub.folder / "onnx" / "model.onnx").write_bytes(b"\0" * 100)
    assert run(hub, tmp_path, "prepare")[0] == 0
    with Encoder(Path(str(status(tmp_path)["folder"]))) as encoder:
        difference = encoder.encode(TEXTS).vectors - published.reference(hub.folder, TEXTS)
    assert difference.abs().max() < 1e-5
    assert not hub.downloads("onnx")
    asked = len(hub.downloads("model"))
    exit_status, output = run(hub, tmp_path, "update-model")
    assert (exit_status, "is up to date" in output) == (0, True), output
    assert len(hub.downloads("model")) == asked


def test_progress_is_visible_and_a_killed_download_is_resumed(hub: Hub, tmp_path: Path) -> None:
    size = (hub.folder / "pytorch_model.bin").stat().st_size
    hub.stop_after = size // 2
    with command(hub, tmp_path, "prepare") as process:
        wait_for(
            lambda: status(tmp_path)["state"] == "downloading" and int(str(status(tmp_path)["downloaded_bytes"])) > 0,
            "progress",
        )
        partial = tmp_path / "models" / "modelscope" / MODEL.replace("/", "--") / "master" / "download"
        wait_for(
            lambda: any(path.stat().st_size > size // 4 for path in partial.rglob("pytorch_model.bin*")),
            "half the file",
        )
        process.send_signal(signal.SIGKILL)
    hub.release.set()
    hub.stop_after = None
    exit_status, output = run(hub, tmp_path, "prepare")
    assert exit_status == 0, output
    resumed = [span for span in hub.downloads("pytorch_model.bin") if span]
    assert resumed, "the second try began at the start"
    assert int(resumed[-1].removeprefix("bytes=").rstrip("-")) > size // 4


def test_damaged_content_never_becomes_the_model(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = True
    with command(hub, tmp_path, "prepare") as process:
        wait_for(lambda: status(tmp_path)["state"] == "retrying", "the failure is noticed")
        assert "could not be downloaded" in str(status(tmp_path)["detail"])
        hub.damaged = False
        assert process.wait(timeout=90) == 0
    assert status(tmp_path)["state"] == "prepared"


def test_an_unknown_model_is_reported_and_logged_once(hub: Hub, tmp_path: Path) -> None:
    for file in hub.folder.iterdir():
        file.unlink()
    with command(hub, tmp_path, "prepare") as process:
        wait_for(lambda: status(tmp_path)["state"] == "failed", "three tries", 90)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert output.count("no model yet") == 1, output
    assert "Traceback" not in output
    assert "check GTE_MODEL" in str(status(tmp_path)["detail"])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), DownloadError),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), DownloadError),
        (socket.gaierror(-2, "Name or service not known"), DownloadError),
        (PermissionError(errno.EPERM, "Operation not permitted"), DownloadError),
        (OSError(errno.EHOSTUNREACH, "No route to host"), DownloadError),
        (PermissionError(errno.EACCES, "Permission denied", "/models/x"), StorageError),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (OSError(errno.EROFS, "Read-only file system"), StorageError),
    ],
    ids=lambda value: getattr(value, "strerror", None),
)
def test_a_network_error_is_not_called_a_storage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: OSError, expected: type[Exception]
) -> None:
    def snapshot_download(*_: object, **__: object) -> None:
        raise raised

    client = importlib.import_module("modelscope.hub.snapshot_download")
    monkeypatch.setattr(client, "snapshot_download", snapshot_download)
    with pytest.raises(expected):
        fetch(MODEL, "master", [], tmp_path, lambda *_: None)


def test_a_changed_upstream_is_taken_only_when_asked(hub: Hub, tmp_path: Path) -> None:
    assert run(hub, tmp_path, "prepare")[0] == 0
    first = status(tmp_path)["revision"]
    exit_status, output = run(hub, tmp_path, "update-model")
    assert (exit_status, "is up to date" in output) == (0, True), output

    weights = torch.load(hub.folder / "pytorch_model.bin", weights_only=True)
    weights["bert.embeddings.LayerNorm.bias"] += 0.5
    torch.save(weights, hub.folder / "pytorch_model.bin")
    assert run(hub, tmp_path, "prepare")[0] == 0
    assert status(tmp_path)["revision"] == first
    exit_status, output = run(hub, tmp_path, "update-model")
    assert (exit_status, "Restart gte-service" in output) == (0, True), output
    assert run(hub, tmp_path, "prepare")[0] == 0
    assert status(tmp_path)["revision"] != first


PAUSING_COMMAND = f"""{PAUSING}
from gte_service.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_update_leaves_the_work_of_the_preparer_and_can_be_taken_back(hub: Hub, tmp_path: Path) -> None:
    assert run(hub, tmp_path, "prepare")[0] == 0
    first = str(status(tmp_path)["revision"])
    # It has been served.
    os.utime(tmp_path / "models" / "prepared" / first / "prepared.json")
    weights = torch.load(hub.folder / "pytorch_model.bin", weights_only=True)
    weights["bert.embeddings.LayerNorm.bias"] += 0.5
    torch.save(weights, hub.folder / "pytorch_model.bin")
    with subprocess.Popen(
        [sys.executable, "-c", PAUSING_COMMAND, "prepare"], env=environ(hub, tmp_path) | {"GTE_PRECISION": "int8"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as preparer:  # fmt: skip
        assert preparer.stdin is not None
        assert preparer.stdout is not None
        assert preparer.stdout.readline() == "writing\n"
        with command(hub, tmp_path, "update-model") as update:
            assert update.stdout is not None
            for line in update.stdout:
                if "waiting for another process" in line:
                    break
            preparer.stdin.write("\n")
            preparer.stdin.flush()
            assert preparer.wait(120) == 0
            rest = update.stdout.read()
            assert update.wait(120) == 0, rest
            assert "Restart gte-service" in rest
    coarse = status(tmp_path)
    assert (coarse["revision"], coarse["precision"]) == (first, "int8")
    with Encoder(Path(str(coarse["folder"]))) as encoder:
        encoder.probe()

    def served() -> str:
        assert run(hub, tmp_path, "prepare")[0] == 0
        return str(status(tmp_path)["revision"])

    second = served()
    assert second != first
    exit_status, output = run(hub, tmp_path, "rollback")
    assert (exit_status, f"revision {first} instead of {second}" in output) == (0, True), output
    assert served() == first
    # Whoever updates wants the newest, which is still here.
    asked = len(hub.downloads("pytorch_model.bin"))
    exit_status, output = run(hub, tmp_path, "update-model")
    assert (exit_status, f"revision {second} is ready" in output) == (0, True), output
    assert served() == second
    assert len(hub.downloads("pytorch_model.bin")) == asked


def test_a_service_reports_the_progress_of_the_download_and_then_answers(
    hub: Hub, new_service: Callable[..., Service], tmp_path: Path
) -> None:
    hub.stop_after = (hub.folder / "pytorch_model.bin").stat().st_size // 2
    given = environ(hub, tmp_path)
    names = ("GTE_MODEL", "HOME", "MODELSCOPE_ENDPOINT", "MODELSCOPE_CACHE", "MODELSCOPE_HOME")
    service = new_service(**{name: given[name] for name in names})
    readiness = service.wait_until("downloading")
    assert readiness["detail"].startswith("downloading ")
    assert f"% of {MODEL}" in readiness["detail"]
    assert service.predict("embedding", "天气").status == 503
    metrics = service.metrics()
    assert 0 < metrics["gte_model_download_bytes"] < metrics["gte_model_download_total_bytes"]
    assert metrics["gte_model_ready"] == 0
    hub.stop_after = None
    hub.release.set()
    assert service.wait_until("ready")["demo"] is False
    assert service.predict("embedding", "天气").json["model"] == MODEL
