"""Small models with random weights, written as the hubs publish them, and how other software computes their vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing
from torch.nn import functional
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZéÉü0123456789"
WORDS = (*"今天气很好股票大跌北京。,![]", "hello", "##天", "##气")
TOKENS = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
TEXTS = [
    "今天天气很好。",
    "HELLO, wörld! Café Éa 今天",
    "a [SEP] b [MASK] c",
    "股票大跌北京" * 40,
    "ok",
]


@dataclass
class Published:
    """A model as it is published.

    Attributes:
        pooling: of the text's vector, `cls` or `mean`.
        max_tokens: at which texts are cut.
        positions: that the network has.
        switches: of the tokenizer.
        sentence_config: the content of sentence_bert_config.json.
        normalizes: whether its modules.json says so; every vector is compared at length 1.
        subfolder: where the network and its tokenizer are, as in old models.
        keep: the tokenizer's files; the others are removed.
    """

    pooling: str
    max_tokens: int
    positions: int = 64
    switches: dict[str, Any] = field(default_factory=dict)
    sentence_config: dict[str, Any] | None = None
    normalizes: bool = True
    subfolder: str = ""
    pooling_folder: str = "1_Pooling"
    keep: tuple[str, ...] = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
    shard_size: str = "1GB"
    is_pickled: bool = False

    def write(self, folder: Path) -> Path:
        """Write the model; returns the folder."""
        own = folder / self.subfolder
        own.mkdir(parents=True)
        tokens = self.write_tokenizer(own)
        torch.manual_seed(7)
        config = BertConfig(
            vocab_size=tokens, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
            max_position_embeddings=self.positions,
        )  # fmt: skip
        model = BertModel(config).eval()
        # Random weights of the usual width give nearly equal vectors for all texts.
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.2)
        if self.is_pickled:
            torch.save(model.state_dict(), own / "pytorch_model.bin")
            (own / "config.json").write_text(json.dumps(config.to_dict()))
        else:
            model.save_pretrained(own, max_shard_size=self.shard_size)
        if self.sentence_config is not None:
            (own / "sentence_bert_config.json").write_text(json.dumps(self.sentence_config))
        self.write_modules(folder)
        return folder

    def write_tokenizer(self, own: Path) -> int:
        (own / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
        BertTokenizer.from_pretrained(own, **self.switches).save_pretrained(own)
        for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if name not in self.keep:
                (own / name).unlink(missing_ok=True)
        return len(TOKENS)

    def write_modules(self, folder: Path) -> None:
        kinds = [("Transformer", self.subfolder), ("Pooling", self.pooling_folder)]
        kinds += [("Normalize", "2_Normalize")] * self.normalizes
        modules = [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (kind, path) in enumerate(kinds)
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / self.pooling_folder).mkdir()
        modes = {f"pooling_mode_{name}": name.startswith(self.pooling) for name in ("cls_token", "mean_tokens")}
        pooling = {"word_embedding_dimension": 32, **modes, "pooling_mode_max_tokens": False}
        (folder / self.pooling_folder / "config.json").write_text(json.dumps(pooling))

    def reference(self, folder: Path, texts: Sequence[str]) -> torch.Tensor:
        """The vectors as transformers computes them, one text at a time."""
        own = folder / self.subfolder
        tokenizer = AutoTokenizer.from_pretrained(own)
        model = BertModel.from_pretrained(own, add_pooling_layer=False)
        rows = []
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=self.max_tokens, return_tensors="pt")
            with torch.no_grad():
                hidden = model(**inputs).last_hidden_state[0]
            rows.append(hidden.mean(0) if self.pooling == "mean" else hidden[0])
        return functional.normalize(torch.stack(rows), dim=1)


class Multilingual(Published):
    """BERT's network with another model's tokenizer, as multilingual-e5 and paraphrase-multilingual-MiniLM have it."""

    def write_tokenizer(self, own: Path) -> int:
        pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS.lower(), *WORDS[:-3]]
        tokenizer = Tokenizer(
            Unigram([(piece, -float(number)) for number, piece in enumerate(dict.fromkeys(pieces))], 3)
        )
        tokenizer.pre_tokenizer = Metaspace()
        tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
        tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
        tokenizer.save(str(own / "tokenizer.json"))
        names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "do_lower_case": True, **names}
        (own / "tokenizer_config.json").write_text(json.dumps(config))
        # The network of e5 has 35 rows more than there are tokens.
        return int(tokenizer.get_vocab_size()) + 35


PUBLISHED: dict[str, Published] = {
    "bge": Published("cls", 64, sentence_config={"max_seq_length": 64, "do_lower_case": True}),
    "gte-small": Published("mean", 64, switches={"model_max_length": 512}),
    "gte-base": Published("mean", 64, sentence_config={"max_seq_length": 64, "do_lower_case": False}),
    "text2vec": Published(
        "mean", 24, sentence_config={"max_seq_length": 24, "do_lower_case": False}, normalizes=False,
        is_pickled=True, keep=("vocab.txt", "tokenizer_config.json"),
    ),
    "m3e": Published("mean", 20, switches={"model_max_length": 20}, shard_size="20KB"),
    "cased": Published(
        "cls", 48, positions=128, pooling_folder="2_Pool",
        switches={"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
        sentence_config={"max_seq_length": 48}, keep=("vocab.txt", "tokenizer_config.json"),
    ),
    "cased lowered": Published(
        "mean", 64, switches={"do_lower_case": False, "strip_accents": False},
        sentence_config={"max_seq_length": 64, "do_lower_case": True},
    ),
    "old": Published("mean", 30, subfolder="0_Transformer", sentence_config={"max_seq_length": 30}),
    "tokenizer.json only": Published("cls", 64, keep=("tokenizer.json",)),
    "long": Published("cls", 1024, positions=1024, keep=("tokenizer.json", "tokenizer_config.json")),
    "e5": Multilingual("mean", 32, sentence_config={"max_seq_length": 32}),
}  # fmt: skip
