"""A model's folder as published: which of its files matter.

Like `source_folder.py`, which opens them, it imports nothing but the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from gte_service.errors import ModelFilesError
from gte_service.source_folder import SourceFolder

CONFIG = "config.json"
VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
# The files of sentence-transformers. It takes the first of the second kind that there is.
MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
POOLING = "1_Pooling"
# In order of preference where a folder holds more than one. An index names the files of weights in several parts.
INDEX = ".index.json"
WEIGHTS = tuple(f"{name}{end}" for name in ("model.safetensors", "pytorch_model.bin") for end in ("", INDEX))
_OF_THE_TRANSFORMER = (
    CONFIG, VOCABULARY, TOKENIZER, TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, *SENTENCE_CONFIGS,
)  # fmt: skip
_OF_THE_WHOLE = (MODULES, PROMPTS, "configuration.json")
_UNFINISHED = (".incomplete", ".part", ".crdownload", ".aria2", ".download", ".tmp")
_OTHER_FORMATS = ("*.onnx", "*.h5", "*.msgpack", "*.gguf", "*.ckpt", "*.ot", "openvino_model.xml")


@dataclass(frozen=True)
class Module:
    """One step of a sentence-transformers model: the last word of its type, and its folder inside the model's."""

    kind: str
    path: str

    def file(self, name: str) -> str:
        """The path of one of its files inside the model's folder."""
        return (PurePosixPath(self.path) / name).as_posix()


class ModelFolder(SourceFolder):
    """The files of a model, and what they are for."""

    def check(self) -> None:
        """Look at every file that the engine will read.

        Raises:
            ModelFilesError: one can't be used; the message names it and says what to do.
        """
        for name in (*self.configuration(), *self.weights()):
            self.file(name)

    def configuration(self) -> tuple[str, ...]:
        """The files besides the weights that the folder has and the engine reads.

        Raises:
            ModelFilesError: the folder or one that must be there is missing.
        """
        self.require_folder()
        needed = [self._transformer.file(CONFIG)]
        if not self.has(self._transformer.file(TOKENIZER)):
            needed.append(self._transformer.file(VOCABULARY))
        missing = [name for name in needed if not self.has(name)]
        if missing:
            raise ModelFilesError(
                f"the model folder {self.path} lacks {' and '.join(missing)}{self._or_another(missing)}: "
                "copy the whole model there."
            )
        modules = self.modules or (Module("Pooling", POOLING),)
        names = [
            *_OF_THE_WHOLE,
            *(self._transformer.file(name) for name in _OF_THE_TRANSFORMER),
            *(module.file(CONFIG) for module in modules if module.kind != "Transformer"),
        ]
        return tuple(name for name in dict.fromkeys(names) if self.has(name))

    def weights(self) -> tuple[str, ...]:
        """The files that hold the weights, in order; of several formats the first that can be used.

        Raises:
            ModelFilesError: there are none, or one of them can't be used.
        """
        problems = []
        for name in map(self._transformer.file, WEIGHTS):
            if self.has(name):
                try:
                    parts = self._parts(name) if name.endswith(INDEX) else (name,)
                    for part in parts:
                        self.file(part)
                except ModelFilesError as error:
                    problems.append(error)
                else:
                    return parts
        if problems:
            raise problems[0]
        raise ModelFilesError(
            f"the model folder {self.path} lacks {' or '.join(name for name in WEIGHTS if INDEX not in name)}"
            f"{self._instead()}: copy the whole model there."
        )

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """The steps that modules.json names; none without that file.

        Raises:
            ModelFilesError: the file can't be used, or a step's folder is outside of the model's.
        """
        if not self.has(MODULES):
            return ()
        modules = []
        for entry in self.json_list(MODULES):
            if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
                raise ModelFilesError(f"{self.path / MODULES}: {entry!r} names no type: copy the model again.")
            path = PurePosixPath(str(entry.get("path") or ""))
            if path.is_absolute() or ".." in path.parts:
                raise ModelFilesError(f"{self.path / MODULES} names {path}, which is outside of the model's folder.")
            modules.append(Module(entry["type"].rpartition(".")[2], "" if path == PurePosixPath() else str(path)))
        return tuple(modules)

    @property
    def _transformer(self) -> Module:
        """Where the files of the network and of its tokenizer are."""
        found = (module for module in self.modules if module.kind == "Transformer")
        return next(found, Module("Transformer", ""))

    def own(self, name: str) -> str:
        """The path, inside this folder, of a file of the network or of its tokenizer."""
        return self._transformer.file(name)

    def _parts(self, index: str) -> tuple[str, ...]:
        """The files that an index names."""
        table = self.json(index).get("weight_map")
        names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
        if not names or any(PurePosixPath(name).name != name for name in names):
            raise ModelFilesError(f"{self.path / index} names no files beside it: copy the model again.")
        return tuple(self.own(name) for name in names)

    def _or_another(self, missing: list[str]) -> str:
        return f" (or {self.own(TOKENIZER)})" if self.own(VOCABULARY) in missing else ""

    def _instead(self) -> str:
        """What is there in place of weights, in brackets."""
        folder = self.path / self._transformer.path
        unfinished = [path.name for path in _entries(folder) if path.suffix in _UNFINISHED]
        if unfinished:
            return f" (but {unfinished[0]}: a download that was not finished)"
        others = [path.name for path in _entries(folder) if any(path.match(pattern) for pattern in _OTHER_FORMATS)]
        return f" (but {others[0]}, a format that this service doesn't read)" if others else ""


def is_configuration(path: str) -> bool:
    """Whether the engine may read the file at this path inside a model's folder, and it is none of the weights."""
    parts = PurePosixPath(path).parts
    return path in _OF_THE_WHOLE or (len(parts) <= 2 and parts[-1] in _OF_THE_TRANSFORMER)


def weights_among(paths: Collection[str]) -> list[str]:
    """The paths of the weights in a listing of a model's folder, an index of their parts included; none if it has none.

    Args:
        paths: of all its files.
    """
    for folder in sorted({str(PurePosixPath(path).parent) for path in paths if path.endswith(CONFIG)}):
        for name in WEIGHTS:
            whole = (PurePosixPath(folder) / name).as_posix()
            if whole not in paths:
                continue
            stem, _, kind = name.removesuffix(INDEX).rpartition(".")
            pattern = re.compile(rf"{stem}-\d+-of-\d+\.{kind}")
            parts = [path for path in paths if str(PurePosixPath(path).parent) == folder
                     and pattern.fullmatch(PurePosixPath(path).name)]  # fmt: skip
            if not name.endswith(INDEX):
                return [whole]
            if parts:
                return [whole, *sorted(parts)]
    return []


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return
