"""Builds the tokenizer that a model folder describes: each switch is obeyed, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer, Lowercase, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from gte_service.errors import ModelFilesError
from gte_service.model_folder import (
    ADDED_TOKENS,
    SENTENCE_CONFIGS,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    VOCABULARY,
    ModelFolder,
)

_SPECIAL = {name: f"[{name.removesuffix('_token').upper()}]" for name in (
    "pad_token", "unk_token", "cls_token", "sep_token", "mask_token",
)}  # fmt: skip
# The models that a vocabulary in vocab.txt is enough for.
_CLASSES = {"BertTokenizer", "BertTokenizerFast"}
# Names of BertNormalizer's switches: in tokenizer_config.json, and of its properties.
_SWITCHES = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
    "clean_text": "clean_text",
}
# What would change the tokens, with the only value that this engine has. Other keys of the file change none.
_FIXED: Mapping[str, object] = {
    "do_basic_tokenize": True,
    "never_split": None,
    "auto_map": None,
    "wordpieces_prefix": "##",
}
# Of sentence_bert_config.json: the keys that are obeyed, and those that only matter to its own library.
_SENTENCE_KEYS = {"max_seq_length", "do_lower_case"}
_LIBRARY_KEYS = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}


@dataclass(frozen=True)
class DeclaredTokenizer:
    """A tokenizer as a folder declares it.

    Attributes:
        tokenizer: without truncation.
        max_tokens: at which the folder has texts cut, special tokens included; None where it doesn't say.
        cut_at_start: whether the beginning of a long text is cut off instead of its end.
    """

    tokenizer: Tokenizer
    max_tokens: int | None
    cut_at_start: bool


def read_tokenizer(files: ModelFolder) -> DeclaredTokenizer:
    """Build the tokenizer from tokenizer.json, or else from vocab.txt, and the switches beside it.

    Raises:
        ModelFilesError: a file can't be used, contradicts another, or declares something that this engine doesn't do.
    """
    config = files.optional_json(files.own(SPECIAL_TOKENS)) | files.optional_json(files.own(TOKENIZER_CONFIG))
    where = files.path / files.own(TOKENIZER_CONFIG)
    for key, only in _FIXED.items():
        if config.get(key, only) not in (only, None, [], {}):
            raise ModelFilesError(f"{where}: {key}={config[key]!r} is not supported, only {only!r}. Use another model.")
    tokenizer = _from_json(files) if files.has(files.own(TOKENIZER)) else _from_vocabulary(files, config)
    _switch(tokenizer, config, where.name, files)
    sentence_file, sentences = _sentence_config(files)
    if sentences.get("do_lower_case"):
        normalizer = tokenizer.normalizer
        tokenizer.normalizer = Sequence([Lowercase(), normalizer] if normalizer else [Lowercase()])
    tokenizer.encode_special_tokens = bool(config.get("split_special_tokens", False))
    of_json = tokenizer.truncation or {}
    side = config.get("truncation_side", of_json.get("direction", "right"))
    if side not in ("left", "right"):
        raise ModelFilesError(f"{where}: truncation_side={side!r} is neither left nor right: copy the model again.")
    declared = (
        _limit(sentences, ("max_seq_length",), files.path / sentence_file),
        _limit(config, ("model_max_length", "max_len"), where),
        _limit(of_json, ("max_length",), files.path / files.own(TOKENIZER)),
    )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _require_framed(tokenizer, files)
    # As in sentence-transformers: the first that is declared counts, not the least.
    return DeclaredTokenizer(tokenizer, next((limit for limit in declared if limit), None), side == "left")


def _from_json(files: ModelFolder) -> Tokenizer:
    name = files.own(TOKENIZER)
    try:
        tokenizer = Tokenizer.from_str(files.text(name))
    except ModelFilesError:
        raise
    except Exception as error:  # the library raises nothing narrower
        # A file that isn't JSON has words of its own.
        files.json(name)
        raise ModelFilesError(
            f"{files.path / name} describes no tokenizer that this service can build ({error}): copy the model again."
        ) from error
    if files.has(files.own(VOCABULARY)):
        listed, known = _vocabulary(files), tokenizer.get_vocab(with_added_tokens=True)
        differing = next((token for token, number in listed.items() if known.get(token) != number), None)
        missing = len(tokenizer.get_vocab(with_added_tokens=False)) - len(listed)
        if differing is not None or missing > 0:
            problem = f"{missing} tokens fewer" if differing is None else f"{differing!r} at another place"
            raise ModelFilesError(
                f"{files.path / files.own(VOCABULARY)} has {problem} than {name}: one of them is cut off or from "
                "another model. Copy the model again."
            )
    return tokenizer


def _from_vocabulary(files: ModelFolder, config: Mapping[str, Any]) -> Tokenizer:
    kind = config.get("tokenizer_class")
    if kind not in (None, *_CLASSES):
        raise ModelFilesError(
            f"{files.path / files.own(TOKENIZER_CONFIG)}: tokenizer_class={kind!r} needs a tokenizer.json, because "
            "this service builds only BERT's own tokenizer from vocab.txt. Copy that file too, or use another model."
        )
    vocabulary = _vocabulary(files)
    special = {name: _content(config.get(name), default) for name, default in _SPECIAL.items()}
    missing = [special[name] for name in ("pad_token", "unk_token", "cls_token", "sep_token")
               if special[name] not in vocabulary]  # fmt: skip
    if missing:
        raise ModelFilesError(
            f"{files.path / files.own(VOCABULARY)} lacks {', '.join(missing)}: it is truncated, or no BERT vocabulary."
        )
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=special["unk_token"], max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [(special[name], vocabulary[special[name]]) for name in ("sep_token", "cls_token")]
    tokenizer.post_processor = BertProcessing(*ends)
    _add_tokens(tokenizer, files, config, [token for token in special.values() if token in vocabulary])
    return tokenizer


def _add_tokens(tokenizer: Tokenizer, files: ModelFolder, config: Mapping[str, Any], special: list[str]) -> None:
    """Add what the folder declares over its vocabulary; in texts these tokens are never split."""
    more = [_content(entry, "") for entry in config.get("additional_special_tokens") or ()]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in (*special, *more)
         if tokenizer.token_to_id(token) is not None]
    )  # fmt: skip
    declared: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for content, number in files.optional_json(files.own(ADDED_TOKENS)).items():
        declared[int(number)] = (content, {})
    for number, entry in (config.get("added_tokens_decoder") or {}).items():
        declared[int(number)] = (_content(entry, ""), entry)
    for number, (content, entry) in sorted(declared.items()):
        flags = {name: bool(entry[name]) for name in ("single_word", "lstrip", "rstrip", "normalized", "special")
                 if name in entry}  # fmt: skip
        token = AddedToken(content, **flags)
        (tokenizer.add_special_tokens if flags.get("special") else tokenizer.add_tokens)([token])
        if tokenizer.token_to_id(content) != number:
            raise ModelFilesError(
                f"{files.path}: the added token {content!r} has the number {number}, but {VOCABULARY} leaves "
                f"{tokenizer.token_to_id(content)} for it. The files do not belong together: copy the model again."
            )


def _vocabulary(files: ModelFolder) -> dict[str, int]:
    lines = files.text(files.own(VOCABULARY)).split("\n")
    if not lines[-1]:
        lines.pop()
    return {line.rstrip("\r"): number for number, line in enumerate(lines)}


def _switch(tokenizer: Tokenizer, config: Mapping[str, Any], source: str, files: ModelFolder) -> None:
    """Set BERT's switches as the configuration says; what it doesn't say stays as it is."""
    given = {name: config[key] for key, name in _SWITCHES.items() if key in config}
    if not given:
        return
    normalizer = tokenizer.normalizer
    if not isinstance(normalizer, BertNormalizer):
        if config.get("tokenizer_class") in _CLASSES:
            raise ModelFilesError(
                f"{files.path / files.own(source)} sets {', '.join(key for key in _SWITCHES if key in config)}, but "
                f"{TOKENIZER} has no step that they could switch. Use another model."
            )
        # Another model's tokenizer, complete in tokenizer.json: transformers gives these keys no meaning there.
        return
    for name, value in given.items():
        if not isinstance(value, bool) and not (name == "strip_accents" and value is None):
            key = next(key for key, property_name in _SWITCHES.items() if property_name == name)
            raise ModelFilesError(f"{files.path / files.own(source)}: {key}={value!r} is neither true nor false.")
        setattr(normalizer, name, value)
    tokenizer.normalizer = normalizer


def _sentence_config(files: ModelFolder) -> tuple[str, dict[str, Any]]:
    """The name and the content of the file of sentence-transformers that goes with the tokenizer."""
    name = next((name for name in map(files.own, SENTENCE_CONFIGS) if files.has(name)), None)
    if name is None:
        return "", {}
    config = files.json(name)
    for key, value in config.items():
        if key not in _SENTENCE_KEYS and value not in (None, {}, [], False, _LIBRARY_KEYS.get(key)):
            raise ModelFilesError(f"{files.path / name}: {key}={value!r} is not supported. Use another model.")
    return name, config


def _limit(config: Mapping[str, Any], keys: tuple[str, ...], where: object) -> int | None:
    """The length that the first of the keys declares, huge where it means that there is no limit; None without it."""
    key = next((key for key in keys if config.get(key) is not None), None)
    if key is None:
        return None
    limit = config[key]
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 3:
        raise ModelFilesError(
            f"{where}: {key}={limit!r} is no length with room for a text between its two special tokens. "
            "Copy the model again."
        )
    return int(limit)


def _require_framed(tokenizer: Tokenizer, files: ModelFolder) -> None:
    """The engine takes the first and the last token for special ones: there must be exactly these two."""
    empty = tokenizer.encode("")
    if empty.special_tokens_mask != [1, 1]:
        raise ModelFilesError(
            f"{files.path / files.own(TOKENIZER)} puts {len(empty.ids)} tokens around a text; this engine expects one "
            "before it and one after it, as BERT has them. Use another model."
        )


def _content(entry: object, default: str) -> str:
    """A token, which is written as a string or as an object with its `content`."""
    if isinstance(entry, Mapping):
        entry = entry.get("content")
    return entry if isinstance(entry, str) else default
