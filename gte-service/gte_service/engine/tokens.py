"""Text to token ids, with the model's own vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from gte_service.errors import ModelFilesError

MAX_TOKENS = 512
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


@dataclass(frozen=True)
class TokenizedText:
    """One text as ids.

    Attributes:
        ids: `[CLS]`, the text's tokens, `[SEP]`; no more than the model takes.
        truncated: whether tokens were cut off.
        offsets: for each id the (start, end) of its characters in the text, (0, 0) for `[CLS]` and `[SEP]`; empty
            unless requested.
    """

    ids: list[int]
    truncated: bool
    offsets: Sequence[tuple[int, int]] = ()


class BertTokenizer:
    """WordPiece over BERT's basic tokenisation, with the vocabulary of a model folder."""

    def __init__(self, folder: Path, max_tokens: int = MAX_TOKENS) -> None:
        """Read `vocab.txt`, and `do_lower_case` from `tokenizer_config.json` if there is one.

        Args:
            folder: the model folder.
            max_tokens: at which texts are cut, special tokens included.

        Raises:
            ModelFilesError: the vocabulary is missing or lacks one of BERT's special tokens.
        """
        vocab = _read_vocab(folder / "vocab.txt")
        lowercase = _reads_lower_case(folder / "tokenizer_config.json")
        tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))  # noqa: S106
        tokenizer.normalizer = BertNormalizer(lowercase=lowercase)
        tokenizer.pre_tokenizer = BertPreTokenizer()
        tokenizer.post_processor = BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
        tokenizer.enable_truncation(max_tokens)
        tokenizer.no_padding()
        self.vocab_size = max(vocab.values()) + 1
        self._tokenizer = tokenizer

    def tokenize(self, texts: Sequence[str], offsets: bool = False) -> list[TokenizedText]:
        """Turn each text into ids; texts of more tokens than the model takes are truncated.

        Args:
            texts: the texts.
            offsets: whether to return the offsets of each token, which takes longer.
        """
        encode = self._tokenizer.encode_batch if offsets else self._tokenizer.encode_batch_fast
        return [
            TokenizedText(encoding.ids, bool(encoding.overflowing), encoding.offsets if offsets else ())
            for encoding in encode([_without_surrogates(text) for text in texts])
        ]


def _without_surrogates(text: str) -> str:
    # A JSON string may hold half of a surrogate pair; it has no UTF-8 form, so the tokenizer would refuse all of it.
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _read_vocab(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFilesError(f"{path} can't be read ({error}): the folder holds no complete BERT model.") from error
    if lines and not lines[-1]:
        lines.pop()
    vocab = {line.rstrip("\r"): number for number, line in enumerate(lines)}
    missing = [token for token in SPECIAL_TOKENS if token not in vocab]
    if missing:
        raise ModelFilesError(f"{path} lacks {', '.join(missing)}: it is truncated or not a BERT vocabulary.")
    return vocab


def _reads_lower_case(path: Path) -> bool:
    if not path.exists():
        return True
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("do_lower_case", True))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelFilesError(f"{path} is not a JSON object ({error}): copy the model again.") from error
