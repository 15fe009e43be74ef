"""How the vectors of a text's tokens become the text's vector, as the model's own configuration says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from gte_service.errors import ModelFilesError

Pooling = Literal["cls", "mean"]
"""`cls`: the first token's vector. `mean`: the average over all tokens, `[CLS]` and `[SEP]` included."""

# The files of sentence-transformers; a model without them is pooled as GTE is.
MODULES_FILE = "modules.json"
POOLING_FILE = "1_Pooling/config.json"
_MODULES = {"Transformer", "Pooling", "Normalize"}
_MODES: dict[str, Pooling] = {"cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean"}
_SWITCH = "pooling_mode_"


def read_pooling(folder: Path) -> Pooling:
    """The pooling of a model folder; `cls` where it has no configuration of it.

    Raises:
        ModelFilesError: a file can't be read, or requires something that this engine doesn't support.
    """
    modules = [module for module in _read(folder / MODULES_FILE, []) if isinstance(module, dict)]
    strange = {str(module.get("type")).rpartition(".")[2] for module in modules} - _MODULES
    if strange:
        raise ModelFilesError(
            f"{folder / MODULES_FILE} requires {', '.join(sorted(strange))}, but this engine only pools and "
            "normalises. Use another model."
        )
    modes = _modes(_read(folder / POOLING_FILE, {}))
    if not modes:
        return "cls"
    if len(modes) > 1 or modes[0] not in _MODES:
        raise ModelFilesError(
            f"{folder / POOLING_FILE} requires the pooling {', '.join(modes)}, but this engine supports cls and mean. "
            "Use another model."
        )
    return _MODES[modes[0]]


def _modes(config: dict[str, Any]) -> list[str]:
    if "pooling_mode" in config:
        named = config["pooling_mode"]
        return [str(mode) for mode in named] if isinstance(named, list) else [str(named)]
    # Before version 6 of sentence-transformers each mode was a switch.
    return [key.removeprefix(_SWITCH) for key, on in config.items() if key.startswith(_SWITCH) and on is True]


def _read(path: Path, absent: Any) -> Any:
    if not path.exists():
        return absent
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{path} can't be read ({error}): copy the model again.") from error
    if type(read) is not type(absent):
        raise ModelFilesError(f"{path} is not a {type(absent).__name__}: copy the model again.")
    return read
