"""Text to token ids, with the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gte_service.engine.tokenizer_files import read_tokenizer
from gte_service.model_folder import ModelFolder

MAX_TOKENS = 512
"""BERT's own number of positions, for a model that says nothing else."""


# Of a long text the beginning is read, so many characters for each token that the model takes, and more while that is
# too few tokens: a text of 4 MiB as tokens takes 2 GB.
_CHARACTERS = 64
# A longer word is one unknown token for WordPiece: a beginning may end within it, and have other tokens there.
_LONGEST_WORD = 100


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
    """The tokenizer of a model folder: for BERT, WordPiece over BERT's basic tokenisation.

    Attributes:
        max_tokens: at which texts are cut, special tokens included.
        tokens: how many different tokens there are.
        vocab_size: the largest token id, plus 1.
    """

    def __init__(self, folder: Path, positions: int = MAX_TOKENS) -> None:
        """Read the tokenizer's files.

        Args:
            folder: the model folder.
            positions: how many tokens the model can take; fewer if the folder declares fewer.

        Raises:
            ModelFilesError: a file can't be used, or declares something that this engine doesn't do.
        """
        declared = read_tokenizer(ModelFolder(folder))
        self.max_tokens = min(positions, declared.max_tokens or positions)
        self._tokenizer = declared.tokenizer
        self._cut_at_start = declared.cut_at_start
        self._tokenizer.enable_truncation(self.max_tokens, direction="left" if declared.cut_at_start else "right")
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        self.tokens = len(vocabulary)
        self.vocab_size = max(vocabulary.values()) + 1

    def tokenize(self, texts: Sequence[str], offsets: bool = False) -> list[TokenizedText]:
        """Turn each text into ids; texts of more tokens than the model takes are truncated.

        Args:
            texts: the texts.
            offsets: whether to return the offsets of each token, which takes longer.
        """
        encode = self._tokenizer.encode_batch if offsets else self._tokenizer.encode_batch_fast
        whole = [_without_surrogates(text) for text in texts]
        longest = max(map(len, whole), default=0)
        characters = longest if self._cut_at_start else _CHARACTERS * self.max_tokens
        encodings = encode([text[:characters] for text in whole])
        # Beyond the cut there must be more tokens than the last word of the beginning can have.
        enough = 2 + _LONGEST_WORD // self.max_tokens
        while characters < longest:
            short = [
                place
                for place, text in enumerate(whole)
                if len(text) > characters and len(encodings[place].overflowing) < enough
            ]
            characters *= 8
            for place, encoding in zip(short, encode([whole[place][:characters] for place in short]), strict=True):
                encodings[place] = encoding
        return [
            TokenizedText(encoding.ids, bool(encoding.overflowing), encoding.offsets if offsets else ())
            for encoding in encodings
        ]


def _without_surrogates(text: str) -> str:
    # A JSON string may hold half of a surrogate pair; it has no UTF-8 form, so the tokenizer would refuse all of it.
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
