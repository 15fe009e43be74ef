"""Models written by code, in the file layout of GTE: a demo model whose vectors mean something, and a full-size one.

Both are half-precision `pytorch_model.bin` checkpoints, so that they are handled like the real one: found, hashed,
converted to 32-bit floats, mapped.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gte_service.engine.bert import BertShape
from gte_service.engine.precision import Fp32
from gte_service.engine.store.checkpoint import storage_errors

# The vocabulary of Chinese BERT has 21,128 tokens; both models keep that size.
VOCAB_SIZE = 21_128
LEXICAL = BertShape(VOCAB_SIZE, 128, 1, 1, 128, 512, 2, 1e-12)
GTE_LARGE = BertShape(VOCAB_SIZE, 1024, 24, 16, 4096, 512, 2, 1e-12)
# The basic Chinese characters without the last sixteen, which are very rare: the others fill the vocabulary.
_CJK_FIRST, _CJK_LAST = 0x4E00, 0x9F95
_SEED = 20_230_701


def write_lexical(folder: Path) -> None:
    """Write the demo model: the vector of a text is the average of its characters' vectors.

    One layer. Queries and keys are zero, so `[CLS]` attends to all tokens alike; values are the tokens' own random
    vectors; the vectors of special tokens and of positions are zero, and so is the inner layer. Texts that share
    characters are therefore near, and texts that share none are about orthogonal. A text without a character of the
    vocabulary, such as emoji alone, would have the vector zero; the last bias, too small to show in any other vector,
    gives all such texts one of their own.
    """
    tokens = _vocabulary()
    generator = torch.Generator().manual_seed(_SEED)
    by_text: dict[str, Tensor] = {}
    words = torch.zeros(VOCAB_SIZE, LEXICAL.hidden_size)
    for number, token in enumerate(tokens):
        if not token.startswith("["):
            # "a" at the start of a word and "##a" inside one are the same character.
            text = token.removeprefix("##")
            if text not in by_text:
                by_text[text] = torch.randn(LEXICAL.hidden_size, generator=generator)
            words[number] = by_text[text]

    unknown = 1e-3 * torch.randn(LEXICAL.hidden_size, generator=generator)

    def weight(name: str, shape: tuple[int, ...]) -> Tensor:
        if name == "embeddings.word_embeddings.weight":
            return words
        if name.endswith("layer.0.output.LayerNorm.bias"):
            return unknown
        if name.endswith("LayerNorm.weight"):
            return torch.ones(shape)
        if name.endswith(("self.value.weight", "attention.output.dense.weight")):
            return torch.eye(shape[0])
        return torch.zeros(shape)

    _write(folder, LEXICAL, tokens, weight)


def write_random(folder: Path, shape: BertShape = GTE_LARGE) -> None:
    """Write a model of a given shape with random weights: for measuring speed and memory, not for answers."""
    generator = torch.Generator().manual_seed(_SEED)

    def weight(name: str, size: tuple[int, ...]) -> Tensor:
        if name.endswith("LayerNorm.weight"):
            return torch.ones(size)
        # The initialisation of the BERT paper's code: a normal distribution of width 0.02.
        return torch.zeros(size) if name.endswith("bias") else torch.randn(size, generator=generator) * 0.02

    _write(folder, shape, _vocabulary(), weight)


def _write(folder: Path, shape: BertShape, tokens: list[str], weight: Callable[[str, tuple[int, ...]], Tensor]) -> None:
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "pad_token_id": 0,
        "torch_dtype": "float16",
        **{name: getattr(shape, name) for name in BertShape.__dataclass_fields__},
    }
    configuration = {"framework": "pytorch", "task": "sentence-embedding", "model": {"type": "bert"}}
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (folder / "configuration.json").write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
        unfinished = folder / "pytorch_model.bin.unfinished"
        sizes = {name: size for name, (size, _) in shape.layout(Fp32()).items()}
        torch.save({f"bert.{name}": weight(name, size).half() for name, size in sizes.items()}, unfinished)
        unfinished.rename(folder / "pytorch_model.bin")


def _vocabulary() -> list[str]:
    """21,128 tokens: special ones first as in BERT, every basic Chinese character, ASCII, and common punctuation."""
    characters = string.digits + string.ascii_lowercase + string.punctuation
    tokens = ["[PAD]", *(f"[unused{number}]" for number in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += list(characters)
    tokens += list("。,、;:?!“”‘’()《》【】「」…—·￥×÷℃°，；：？！（）～")
    tokens += [f"##{character}" for character in string.digits + string.ascii_lowercase]
    tokens = list(dict.fromkeys(tokens))
    tokens += [chr(code) for code in range(_CJK_FIRST, _CJK_LAST + 1)]
    if len(tokens) > VOCAB_SIZE:
        raise AssertionError(f"{len(tokens)} tokens do not fit into {VOCAB_SIZE}")
    return tokens + [f"[unused{number}]" for number in range(100, 100 + VOCAB_SIZE - len(tokens))]
