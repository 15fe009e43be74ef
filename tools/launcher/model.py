"""Chooses the model that the stack starts with, before it starts: the service itself never falls back on another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.launcher.compose import Compose, Service, Stack
from tools.launcher.errors import ModelError

DEMO_MODEL = "builtin:lexical"
SERVICE = "gte-service"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_CONFIG = ("config.json", "vocab.txt")
_PROBE = Path(__file__).with_name("probe.py")
_PROBE_STATUS_UNREACHABLE = 3


@dataclass(frozen=True)
class Choice:
    """The model to start with.

    Attributes:
        said: what to tell the person.
        settings: what Compose must be told for it.
        fallback: why it is the demo model though another was wanted, "" otherwise.
    """

    said: str
    settings: Mapping[str, str] = field(default_factory=dict)
    fallback: str = ""


def demo() -> Choice:
    """The demo model, whatever .env names."""
    return Choice("the demo model, as asked", {"GTE_MODEL": DEMO_MODEL, "GTE_MODEL_DIR": ""})


def choose(model: str, folder: Path | None, is_prepared: Callable[[], bool], unreachable: Callable[[], str]) -> Choice:
    """Choose by the settings, then by what is here, then by what can be reached.

    Args:
        model: GTE_MODEL.
        folder: GTE_MODEL_DIR, if set.
        is_prepared: whether a prepared copy of the model is kept here; asked only when it matters.
        unreachable: why ModelScope can't be reached, "" if it can; asked only when it matters.

    Raises:
        ModelError: the folder named doesn't hold a model.
    """
    if folder is not None:
        check_folder(folder)
        return Choice(f"from the local folder {folder}")
    if model.startswith("builtin:"):
        return Choice(f"{model}, as GTE_MODEL says")
    if is_prepared():
        return Choice(f"{model}, from the copy kept on this host (nothing is downloaded)")
    reason = unreachable()
    if not reason:
        return Choice(f"{model}, downloaded from ModelScope now (once; it is kept in a volume)")
    return Choice(f"the demo model, because ModelScope can't be reached: {reason}", {"GTE_MODEL": DEMO_MODEL}, reason)


def choose_for(compose: Compose, stack: Stack, settings: Mapping[str, str]) -> Choice:
    """`choose` with the questions answered by the service's own image, on the service's own network.

    Raises:
        ModelError: the model that the settings name can't be used.
    """
    service = stack.services[SERVICE]
    model = service.environment["GTE_MODEL"]
    folder = Path(settings["GTE_MODEL_DIR"]) if "GTE_MODEL_DIR" in settings else None
    return choose(
        model,
        folder,
        lambda: _is_prepared(compose),
        lambda: _unreachable(compose, probe_url(service, model)),
    )


def check_folder(folder: Path) -> None:
    """Make sure that a folder holds a model as ModelScope publishes it.

    Raises:
        ModelError: something is missing; the message names it.
    """
    if not folder.is_dir():
        raise ModelError(f"GTE_MODEL_DIR names {folder}, which is no folder. Correct it in .env, or remove the line.")
    missing = [name for name in _CONFIG if not _has_content(folder / name)]
    if not any(_has_content(folder / name) for name in _WEIGHTS):
        missing.append(" or ".join(_WEIGHTS))
    if missing:
        raise ModelError(
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


def _is_prepared(compose: Compose) -> bool:
    asked = compose.capture("run", "--rm", "--no-deps", "-T", SERVICE, "gte-service", "model-present")
    if asked.returncode in {0, 1}:
        return asked.returncode == 0
    raise ModelError(f"The service can't say which models it keeps:\n{_last_lines(asked.stdout + asked.stderr)}")


def _unreachable(compose: Compose, url: str) -> str:
    asked = compose.capture(
        "run", "--rm", "--no-deps", "-T", SERVICE, "python", "-", url, stdin=_PROBE.read_text(encoding="utf-8")
    )
    if asked.returncode in {0, _PROBE_STATUS_UNREACHABLE}:
        return "" if asked.returncode == 0 else str(json.loads(asked.stdout)["reason"])
    raise ModelError(f"The service's image can't ask ModelScope:\n{_last_lines(asked.stdout + asked.stderr)}")


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-10:])
