"""Texts are the same for everybody, and like those of a search service."""

from __future__ import annotations

import statistics

import pytest

from tools.bench.phase import rotated
from tools.bench.texts import LONGEST, SHORTEST, check_texts, count_tokens, make_texts


def test_a_seed_gives_the_same_texts_and_another_seed_others() -> None:
    assert make_texts(16, "1") == make_texts(16, "1")
    assert make_texts(16, "1") != make_texts(16, "2")


@pytest.mark.parametrize("count", [16, 64, 1000])
def test_lengths_are_those_of_a_search_service(count: int) -> None:
    lengths = [len(text) for text in make_texts(count, "1")]
    assert len(lengths) == count
    assert statistics.fmean(lengths) == pytest.approx(39, abs=2)
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= LONGEST


def test_every_round_is_as_much_work_with_other_texts() -> None:
    first, second = make_texts(32, "1-1"), make_texts(32, "1-2")
    assert count_tokens(first) == count_tokens(second)
    assert not set(first) & set(second)


def test_each_character_is_one_token_of_the_vocabulary() -> None:
    assert all(0x4E00 <= ord(character) <= 0x9F95 for text in make_texts(64, "1") for character in text)
    assert count_tokens(["今天", "天"]) == 7


def test_a_cut_at_128_tokens_would_show() -> None:
    assert max(len(text) for text in check_texts("1")) > 128


def test_another_candidate_begins_each_round() -> None:
    names = ["a", "b", "c"]
    assert [rotated(names, number) for number in (1, 2, 3, 4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert rotated([], 2) == []
