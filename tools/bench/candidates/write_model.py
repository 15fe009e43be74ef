"""Writes the model that all share: random weights, and the files that the rivals look for beside our own.

`python -m tools.bench.candidates.write_model full|tiny FOLDER`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from gte_service.__main__ import main as gte_service
from gte_service.engine.bert import BertShape
from gte_service.engine.store.synthetic import GTE_LARGE, write_random

TINY = BertShape(GTE_LARGE.vocab_size, 128, 2, 2, 512, 512, 2, 1e-12)
"""For tests of the comparison itself: its figures mean nothing."""


def main(shape: str, folder: Path) -> None:
    """Write the model folder."""
    if shape == "tiny":
        write_random(folder, TINY)
    elif gte_service(["write-model", "gte-large-random", str(folder)]):
        raise SystemExit(f"{folder} could not be written")
    width = json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    for name, content in rivals_files(width).items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def rivals_files(width: int) -> Mapping[str, object]:
    """Files by name: the first token's vector, scaled to length 1, of texts of up to 512 tokens."""
    modules = "sentence_transformers.models"
    return {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{modules}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{modules}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{modules}.Normalize"},
        ],
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "model_max_length": 512,
            **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
        },
        "configuration.json": {
            "framework": "pytorch",
            "task": "sentence-embedding",
            "preprocessor": {"type": "sentence-embedding"},
            "model": {"type": "bert", "emb_pooler_type": "cls", "normalize": True},
            "pipeline": {"type": "sentence-embedding"},
        },
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
