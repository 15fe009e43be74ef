"""Chooses the model before the stack starts, because the service itself never falls back on another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools import cli
from tools.launcher.compose import Compose, Service, Stack

DEMO_MODEL = "builtin:lexical"
SERVICE = "gte-service"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_CONFIG = ("config.json", "vocab.txt")
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
    """Make sure that a folder holds a model as ModelScope publishes it.

    Raises:
        UsageError: something is missing; the message names it.
    """
    if not folder.is_dir():
        raise cli.UsageError(
            f"GTE_MODEL_DIR names {folder}, which is no folder. Correct it in .env, or remove the line."
        )
    missing = [name for name in _CONFIG if not _has_content(folder / name)]
    if not any(_has_content(folder / name) for name in _WEIGHTS):
        missing.append(" or ".join(_WEIGHTS))
    if missing:
        raise cli.UsageError(
            f"GTE_MODEL_DIR names {folder}, where {', '.join(missing)} is missing or empty.\n"
            "Copy the whole model there, for example with:\n"
            "modelscope download --model iic/nlp_gte_sentence-embedding_chinese-large --local_dir DIR"
        )


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


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-10:])
