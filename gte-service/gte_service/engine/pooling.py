"""How the vectors of a text's tokens become the text's vector, as the model's own configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from gte_service.errors import ModelFilesError
from gte_service.model_folder import CONFIG, MODULES, POOLING, PROMPTS, ModelFolder, Module

Pooling = Literal["cls", "mean"]
"""`cls`: the first token's vector. `mean`: the average over all tokens, `[CLS]` and `[SEP]` included."""

# What changes nothing besides: Dropout is for training, and every vector is normalised here.
_MODULES = {"Transformer", "Pooling", "Normalize", "Dropout"}
_MODES: dict[str, Pooling] = {"cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean"}
_SWITCH = "pooling_mode_"
_DIMENSIONS = ("word_embedding_dimension", "embedding_dimension")


def read_pooling(folder: Path, dimensions: int | None = None) -> Pooling:
    """The pooling of a model folder; `cls`, as GTE is pooled, where nothing configures it.

    Args:
        folder: the model folder.
        dimensions: numbers in the vector of a token, None if unknown.

    Raises:
        ModelFilesError: a file that modules.json names is missing or can't be read, is made for vectors of another
            size, or requires something that this engine doesn't do.
    """
    files = ModelFolder(folder)
    _require_no_prompt(files)
    pooling = _module(files)
    if pooling is None:
        return "cls"
    name = pooling.file(CONFIG)
    if not files.has(name):
        raise ModelFilesError(f"{folder / MODULES} names {name}, which is missing: copy the whole model there.")
    config = files.json(name)
    wrong = next((key for key in _DIMENSIONS if config.get(key, dimensions) != dimensions), None)
    if wrong and dimensions is not None:
        raise ModelFilesError(
            f"{folder / name}: {wrong} is {config[wrong]}, but the model's vectors have {dimensions} numbers. "
            "The files do not belong together: copy the model again."
        )
    modes = _modes(config)
    if len(modes) > 1 or modes[0] not in _MODES:
        raise ModelFilesError(
            f"{folder / name} requires the pooling {', '.join(modes)}, but this engine supports cls and mean. "
            "Use another model."
        )
    return _MODES[modes[0]]


def _module(files: ModelFolder) -> Module | None:
    """The step that pools, None where the folder has no configuration of it."""
    kinds = [module.kind for module in files.modules]
    if not kinds:
        return Module("Pooling", POOLING) if files.has(f"{POOLING}/{CONFIG}") else None
    strange = sorted({*kinds} - _MODULES)
    if strange:
        raise ModelFilesError(
            f"{files.path / MODULES} requires {', '.join(strange)}, but this engine only pools and normalises. "
            "Use another model."
        )
    in_order = [kind for kind in kinds if kind != "Dropout"]
    if in_order not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ModelFilesError(
            f"{files.path / MODULES} requires {', '.join(kinds)}, but this engine runs one Transformer and one "
            "Pooling, then perhaps Normalize. Use another model, or copy this one again."
        )
    return next(module for module in files.modules if module.kind == "Pooling")


def _modes(config: dict[str, Any]) -> list[str]:
    """The names of the modes that are on; the mean where the configuration names none, as in sentence-transformers."""
    if "pooling_mode" in config:
        named = config["pooling_mode"]
        return [str(mode) for mode in named] if isinstance(named, list) and named else [str(named)]
    # Before version 6 of sentence-transformers each mode was a switch.
    return [key.removeprefix(_SWITCH) for key, on in config.items() if key.startswith(_SWITCH) and on] or ["mean"]


def _require_no_prompt(files: ModelFolder) -> None:
    """Refuse what the model's own library would do to each text, or with the vectors, and this engine doesn't."""
    config = files.optional_json(PROMPTS)
    name, prompts = config.get("default_prompt_name"), config.get("prompts")
    if name and (not isinstance(prompts, dict) or prompts.get(name)):
        raise ModelFilesError(
            f"{files.path / PROMPTS}: default_prompt_name={name!r} puts a prompt before every text, which this service "
            "doesn't. Remove that line and send texts with their prompt, or use another model."
        )
    compared = config.get("similarity_fn_name")
    if compared not in (None, "cosine") and "Normalize" not in {module.kind for module in files.modules}:
        raise ModelFilesError(
            f"{files.path / PROMPTS}: similarity_fn_name={compared!r} compares vectors of any length, but this service "
            "makes vectors of length 1 and compares them by cosine. Use another model."
        )
