"""Chooses the model before the stack starts, because the service itself never falls back on another."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools import ROOT, cli
from tools.launcher.compose import Compose, Service, Stack

# It need not be installed: these modules import nothing but the standard library.
sys.path.insert(0, str(ROOT / "gte-service"))

from gte_service.errors import ModelFilesError
from gte_service.model_folder import ModelFolder

DEMO_MODEL = "builtin:lexical"
SERVICE = "gte-service"
# The user of the service's image.
_SERVICE_UID = 10001
_PROBE = Path(__file__).with_name("probe.py")
_PROBE_STATUS_UNREACHABLE = 3


@dataclass(frozen=True)
class Choice:
    """The model to start with."""

    description: str  # which model it is, and from where
    settings: Mapping[str, str] = field(default_factory=dict)  # over those of .env
    fallback: str = ""  # why it is the demo model though another was wanted


def demo() -> Choice:
    """The demo model, whatever .env names."""
    return Choice("the demo model, as asked", {"GTE_MODEL": DEMO_MODEL, "GTE_MODEL_DIR": ""})


def choose(compose: Compose, stack: Stack, settings: Mapping[str, str]) -> Choice:
    """Choose by the settings, then by the copies kept here, then by whether ModelScope can be reached.

    The service's own image answers the last two questions, on the service's own network.

    Raises:
        ToolError: it doesn't answer them.
    """
    service = stack.services[SERVICE]
    model = service.environment["GTE_MODEL"]
    if "GTE_MODEL_DIR" in settings:
        return Choice(f"from the local folder {settings['GTE_MODEL_DIR']}")
    if model.startswith("builtin:"):
        return Choice(f"{model}, as GTE_MODEL says")
    if is_prepared(compose):
        return Choice(f"{model}, from the copy kept on this host (nothing is downloaded)")
    reason = unreachable(compose, probe_url(service, model))
    if not reason:
        return Choice(f"{model}, downloaded from ModelScope now (once; it is kept in a volume)")
    return Choice(f"the demo model, because ModelScope can't be reached: {reason}", {"GTE_MODEL": DEMO_MODEL}, reason)


def check_folder(folder: Path) -> None:
    """Make sure that a folder holds a model whose files the service's container can open.

    Raises:
        UsageError: it doesn't; the message names the file and says what to do.
    """
    # Docker Desktop gives containers the files of the user who runs it, whatever their modes.
    uid = _SERVICE_UID if sys.platform == "linux" else os.getuid()
    try:
        ModelFolder(folder, mounted_for=uid).check()
    except ModelFilesError as error:
        raise cli.UsageError(
            f"GTE_MODEL_DIR names {folder}, which can't be used:\n{error}\n"
            "A model that is copied with this command is whole:\n"
            "modelscope download --model iic/nlp_gte_sentence-embedding_chinese-large --local_dir DIR"
        ) from error


def probe_url(service: Service, model: str) -> str:
    """The address that ModelScope's client asks first when it fetches a model."""
    given = service.environment.get("MODELSCOPE_ENDPOINT") or service.environment.get("MODELSCOPE_DOMAIN")
    endpoint = (given or "www.modelscope.cn").rstrip("/")
    if "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    return f"{endpoint}/api/v1/models/{model}/repo/files"


def is_prepared(compose: Compose) -> bool:
    """Whether a prepared copy of the model that the settings name is kept in the service's volume."""
    asked = compose.capture("run", "--rm", "--no-deps", "-T", SERVICE, "gte-service", "model-present")
    if asked.returncode in {0, 1}:
        return asked.returncode == 0
    raise cli.ToolError(
        f"The service's image can't list the models that it keeps:\n{_last_lines(asked.stdout + asked.stderr)}"
    )


def unreachable(compose: Compose, url: str) -> str:
    """The reason why ModelScope can't be reached from the service's container, "" if it can."""
    asked = compose.capture(
        "run", "--rm", "--no-deps", "-T", SERVICE, "python", "-", url, stdin=_PROBE.read_text(encoding="utf-8")
    )
    if asked.returncode in {0, _PROBE_STATUS_UNREACHABLE}:
        return "" if asked.returncode == 0 else str(json.loads(asked.stdout)["reason"])
    raise cli.ToolError(f"The service's image can't ask ModelScope:\n{_last_lines(asked.stdout + asked.stderr)}")


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-10:])
