"""Words, sentences and candidates stand where they are in the original text."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from gte_service.tasks.spans.candidates import Candidate, candidates_of, nouns_of, without_overlaps
from gte_service.tasks.spans.segmenter import readable, words_of
from gte_service.tasks.spans.sentences import sentences_of

ALPHABET = "张三李四在北京上海的和与了参加出生于2019年９月ＡＢcd ·《》。，！?\n😀👨‍👩‍👧e\u0301\ud83d\udfff\u3000"


def random_texts(count: int) -> list[str]:
    draw = random.Random(11)
    return ["".join(draw.choices(ALPHABET, k=draw.randint(0, 40))) for _ in range(count)]


def test_words_cover_the_text_each_at_its_place() -> None:
    for text in random_texts(2000):
        words = words_of(text)
        assert "".join(word.text for word in words) == readable(text)
        assert all(readable(text)[word.start : word.end] == word.text for word in words)
        assert [word.start for word in words[1:]] == [word.end for word in words[:-1]]


def test_full_width_letters_and_digits_are_read_as_half_width() -> None:
    assert readable("ＡＺａｚ０９％，　\ud83d") == "AZaz09%，　?"


def test_candidates_lie_within_the_text_and_do_not_overlap() -> None:
    for text in random_texts(1000):
        for find in (candidates_of, nouns_of):
            found = find(text)
            assert all(0 <= it.start < it.end <= len(text) for it in found)
            assert all(one.end <= two.start for one, two in pairwise(found))


def test_of_overlapping_candidates_the_surer_one_stays_then_the_longer() -> None:
    sure, long, short, apart = Candidate(2, 4, {"a": 6}), Candidate(0, 5, {"b": 3}), Candidate(4, 5), Candidate(7, 9)
    assert without_overlaps([short, long, sure, apart]) == [sure, short, apart]
    assert without_overlaps([short, long]) == [long]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("张三在北京参加了奥运会", ["张三", "在", "北京", "参加", "了", "奥运会"]),
        ("张三出生于北京", ["张三", "出", "生于", "北京"]),
        ("诸葛明在武汉大学", ["诸葛明", "在", "武汉大学"]),
        ("赵明远昨天来了", ["赵明远", "昨天", "来", "了"]),
        ("黎明远担任校长", ["黎明远", "担任", "校长"]),
        ("大卫·史密斯赢了", ["大卫·史密斯", "赢", "了"]),
        ("1月3日于杭州病逝", ["1", "月", "3", "日", "于", "杭州", "病逝"]),
    ],
)
def test_names_that_the_dictionary_lacks_are_complete(text: str, words: list[str]) -> None:
    assert [word.text for word in words_of(text)] == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("一。二！三？四", ["一。", "二！", "三？", "四"]),
        ("他说：“好。”她走了。", ["他说：“好。”", "她走了。"]),
        ("价格是3.5元。见 example.com 吧", ["价格是3.5元。", "见 example.com 吧"]),
        ("One. Two!  Three", ["One.", "Two!", "Three"]),
        ("  \n一\n\n二  ", ["一", "二"]),
        ("。。。", ["。。。"]),
        (" \n ", []),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentences_of(text)] == sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("阿里巴巴集团创始人马云", {"阿里巴巴集团": "organization", "马云": "person"}),
        ("昨天上午9点到下周三", {"昨天上午9点": "time", "下周三": "time"}),
        ("地铁5号线开通", {}),
        ("10月5号开通", {"10月5号": "time"}),
        ("有一天他来了", {}),
        ("中华为之自豪", {"中华": "organization"}),
        ("花了3.5亿元买两千本书", {"3.5亿元": "quantity", "两千本": "quantity"}),
        ("我用iPhone 15 Pro拍的", {"iPhone 15 Pro": "product"}),
        ("我在飞梭科技上班", {"飞梭科技": "organization"}),
        ("王老师和张维教授", {"王老师": "person", "张维": "person"}),
        ("他正在去世前的城市", {}),
        ("有一家公司和几个人", {}),
        ("北京市海淀区人民法院", {"北京市海淀区人民法院": "organization"}),
    ],
)
def test_the_form_of_a_span_gives_its_possible_types(text: str, found: dict[str, str]) -> None:
    likeliest = {text[it.start : it.end]: max(it.prior, key=lambda kind: it.prior[kind]) for it in candidates_of(text)}
    assert likeliest == found


@pytest.mark.parametrize(
    "piece",
    [
        "张",
        "王明",
        "1",
        "1,",
        "一",
        "一年",
        "A",
        "A.",
        "A-",
        "Ab ",
        "a1",
        "A 1 ",
        "。",
        ".",
        "《",
        "·",
        "张·",
        "和",
        "3年",
        "的 ",
        " ",
    ],
)
def test_no_text_takes_long_however_odd_it_is(piece: str) -> None:
    text = (piece * 4096)[:4096]
    begun = time.process_time()
    nouns_of(text)
    sentences_of(text * 250)
    assert time.process_time() - begun < 2
