"""The tokenizer cuts text as BERT's own does."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from transformers import BertTokenizer as Reference

from gte_service.engine.store.prepared import Prepared
from gte_service.engine.tokens import MAX_TOKENS, BertTokenizer
from gte_service.errors import ModelFilesError

TEXTS = (
    "张三在北京参加了奥运会",
    "Hello, World! 你好，世界！",
    "全角ＡＢＣ１２３ and half-width abc123",
    "emoji 😀 和生僻字 𠮷",
    "  spaces\tand\nnewlines　全角空格 ",
    "naïve café Ünïcödé",
    "x" * 101,
    "",
)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_transformers(lexical: Prepared, text: str) -> None:
    reference = Reference.from_pretrained(lexical.folder)
    assert BertTokenizer(lexical.folder).tokenize([text])[0].ids == reference(text)["input_ids"]


def test_a_long_text_is_cut_at_512_tokens_and_says_so(lexical: Prepared) -> None:
    tokenizer = BertTokenizer(lexical.folder)
    fits, cut = tokenizer.tokenize(["字" * (MAX_TOKENS - 2), "字" * (MAX_TOKENS - 1)])
    assert (len(fits.ids), fits.truncated) == (MAX_TOKENS, False)
    assert (len(cut.ids), cut.truncated) == (MAX_TOKENS, True)
    assert cut.ids[-1] == fits.ids[-1]  # [SEP] stays at the end


LONG = {
    "words": "张三在北京参加了奥运会。 " * 20_000,
    "blanks": " " * 300_000 + "张三",
    "blanks between": ("张" + " " * 5000) * 60,
    "a word without end": "x" * 300_000 + " 张三",
    "words without end": ("x" * 40_000 + " 张 ") * 8,
    "a word at the edge": "a" * 99 + " " * (32_768 - 150) + "b" * 99 + " 张三" * 9000,
}


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("name", LONG)
def test_the_beginning_of_a_long_text_has_the_tokens_of_the_whole(lexical: Prepared, name: str, offsets: bool) -> None:
    tokenizer = BertTokenizer(lexical.folder)
    (found, _) = tokenizer.tokenize([LONG[name], "短"], offsets)
    whole = tokenizer._tokenizer.encode(LONG[name])
    assert found.ids == whole.ids
    assert found.truncated == bool(whole.overflowing)
    assert list(found.offsets) == (whole.offsets if offsets else [])


def test_a_text_of_4_mib_is_not_read_to_its_end(lexical: Prepared) -> None:
    tokenizer = BertTokenizer(lexical.folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert tokenizer.tokenize(["张三在北京。" * (700_000)], offsets=True)[0].truncated
    # In KiB. As tokens it would take 2 GB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_half_a_surrogate_pair_does_not_stop_the_text(lexical: Prepared) -> None:
    assert len(BertTokenizer(lexical.folder).tokenize(["天\ud800气"])[0].ids) >= 4


def test_a_vocabulary_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n")
    with pytest.raises(ModelFilesError, match=r"lacks \[SEP\]"):
        BertTokenizer(tmp_path)
