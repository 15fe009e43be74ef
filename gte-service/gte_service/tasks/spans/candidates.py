"""The parts of a text that may be entities, and the evidence of their form for a type, without the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from gte_service.tasks.prototypes.files import read_data, word_list
from gte_service.tasks.spans.personal_names import Word, begins_with_surname, surnames
from gte_service.tasks.spans.segmenter import in_dictionary, readable, words_of

# Every repetition is bounded: a text of digits only must not take for ever.
_NUMBER = (
    r"(?:\d[\d,]{0,20}(?:\.\d{1,10})?|[零〇一二两三四五六七八九十百千万亿半几数]{1,20})(?:[多余来几])?[十百千万亿]{0,4}"
)
_CLOCK = r"\d{1,2}[:：]\d{2}"
_WEEKDAY = r"[上下本这]个?(?:周|星期|礼拜)[一二三四五六日天末]"
_YEAR_TO_DAY = r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?"
# "一家", "几个": a word for "a" or "some", not an amount.
_NO_AMOUNT = re.compile(r"[一几这那每半]\D{0,1}")
_NAME_TAGS = ("nr", "ns", "nt", "nz", "eng")
_NOUN_TAGS = ("n", "eng", "j", "vn", "an", "x", "s", "l", "b")
_LATIN_NAME = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z][A-Za-z0-9.+-]{1,40}|[a-z]{1,20}[A-Z0-9][A-Za-z0-9]{0,40})"
    r"(?: (?:[A-Z][A-Za-z0-9.+-]{0,40}|\d{1,4}[A-Za-z]{0,10})){0,5}"
)
# The number of a model, in Latin letters: X3, S.
_MODEL = re.compile(r"[A-Z][A-Za-z]{0,3}\d{1,4}[A-Za-z]{0,4}|[A-Z]")
_OPEN, _CLOSE = "《〈", "》〉"
# The most words before a suffix that belong to a name: 北京/市/海淀/区/人民/法院.
_LONGEST_COMPOUND = 6
# Log-odds of a type by the form. A listed name or a pattern leaves little doubt, a suffix some.
SURE, LIKELY, HINT = 6.0, 3.0, 1.5


@dataclass(frozen=True)
class Candidate:
    """A part of a text that may be an entity.

    Attributes:
        start: its first character.
        end: the character after its last.
        prior: log-odds by type from its form; 0 for a missing type.
    """

    start: int
    end: int
    prior: dict[str, float] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[float, int]:
        """Decides between overlapping candidates: the more certain one, then the longer one."""
        return max(self.prior.values(), default=0.0), self.end - self.start


def candidates_of(text: str) -> list[Candidate]:
    """Parts that may be entities of the built-in types, in order, none overlapping another."""
    read, words = readable(text), words_of(text)
    edges = {edge for word in words for edge in (word.start, word.end)}
    listed = list(_listed(read, edges))
    found = [*_titles(read), *_times(read, words), *_quantities(read, words), *listed, *_latin(read), *_models(words)]
    found += [_with_name(compound, listed) for compound in (*_compounds(words), *_companies(words))]
    found += [candidate for word in words for candidate in _single(word)]
    return without_overlaps(found)


def nouns_of(text: str) -> list[Candidate]:
    """Parts that may be entities of any type: the built-in ones, and every run of nouns."""
    runs = [Candidate(run[0].start, run[-1].end) for run in _runs(words_of(text)) if run[-1].end - run[0].start > 1]
    return without_overlaps([*candidates_of(text), *runs])


def without_overlaps(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates in order; of those that overlap, the one of the highest rank."""
    kept: list[Candidate] = []
    taken: set[int] = set()
    for candidate in sorted(candidates, key=lambda candidate: candidate.rank, reverse=True):
        places = range(candidate.start, candidate.end)
        if taken.isdisjoint(places):
            taken.update(places)
            kept.append(candidate)
    return sorted(kept, key=lambda candidate: candidate.start)


def any_of(words: Iterable[object]) -> str:
    """A pattern that finds any of some words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(map(str, words), key=len, reverse=True))


def _titles(text: str) -> Iterator[Candidate]:
    for found in re.finditer(f"[{_OPEN}]([^{_OPEN}{_CLOSE}]{{1,60}})[{_CLOSE}]", text):
        yield Candidate(found.start(1), found.end(1), {"work": SURE + 1})


def _times(text: str, words: Sequence[Word]) -> Iterator[Candidate]:
    pieces = [found.span() for found in _time_pattern().finditer(text)]
    pieces += [
        (word.start, word.end)
        for word in words
        if word.tag in {"t", "tg"} and len(word.text) > 1 and not _quantity_pattern().fullmatch(word.text)
    ]
    pieces = [(start, end) for start, end in pieces if text[start:end] not in _not_entities()]
    joined: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        # 昨天 + 上午 + 9点 is one time.
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    for start, end in joined:
        if not _NO_AMOUNT.fullmatch(text[start:end]):
            yield Candidate(start, end, {"time": SURE})


def _quantities(text: str, words: Sequence[Word]) -> Iterator[Candidate]:
    spans = [found.span() for found in _quantity_pattern().finditer(text)]
    spans += [(first.start, second.end) for first, second in pairwise(words) if first.tag == "m" and second.tag == "q"]
    spans += [
        (word.start, word.end) for word in words if word.tag == "m" and len(word.text) > 3 and not word.text.isdigit()
    ]
    for start, end in spans:
        if not _NO_AMOUNT.fullmatch(text[start:end]):
            yield Candidate(start, end, {"quantity": SURE - 1})


def _listed(text: str, edges: set[int]) -> Iterator[Candidate]:
    for found in _name_pattern().finditer(text):
        kind = _names()[found[0]]
        # A name inside a word is a part of another word; this doesn't hold for times, which are cut in many ways.
        if kind == "time" or (found.start() in edges and found.end() in edges):
            yield Candidate(found.start(), found.end(), {kind: SURE})


def _compounds(words: Sequence[Word]) -> Iterator[Candidate]:
    """Names and nouns that end with a suffix of a type: 阿里巴巴/集团, 红星/小学, 北京/市/海淀/区."""
    for run in _runs(words):
        for last, word in enumerate(run):
            for kind, suffix in _suffixes_of(word.text):
                # A word that equals the suffix needs a name or nouns before it; one that ends with it is a name.
                bare = word.text == suffix
                # A noun that ends with the suffix, such as 造船厂, says as much when a name stands before it.
                noun = not bare and not _is_name(word)
                if noun and (kind != "organization" or len(word.text) < 3):
                    continue
                if not bare and word.tag.startswith("nr") and len(suffix) == 1:
                    continue
                if word.text in _not_entities() and not bare:
                    continue
                first = last
                while first > max(0, last - _LONGEST_COMPOUND) and _belongs(run[first - 1], bare and len(suffix) > 1):
                    first -= 1
                if not bare and first and run[first - 1].text in word_list("ner", "heads"):
                    first -= 1
                if noun and first == last:
                    continue
                named = not bare or any(_is_name(part) for part in run[first:last])
                # 王老师 is a person; in 张伟老师 the name alone is the entity.
                title = kind == "person" and word.start - run[first].start > 1
                if word.end - run[first].start > len(suffix) and (named or len(suffix) > 1) and not title:
                    yield Candidate(run[first].start, word.end, {kind: LIKELY + 1 if named else HINT})


def _companies(words: Sequence[Word]) -> Iterator[Candidate]:
    """A word followed by a trade, which together name a company: 飞梭/科技, and 白桦/游戏 where a company does things.

    A common word before the trade is accepted only beside such a verb or post, or else 手机游戏 would be a company.
    """
    for number, (name, trade) in enumerate(pairwise(words)):
        if trade.text not in word_list("ner", "trades") or not name.text.isalnum() or len(name.text) < 2:
            continue
        unusual = name.tag.startswith(("nr", "nz", "x", "eng")) or not in_dictionary(name.text)
        noun = name.tag in {"n", "ns"} and name.text not in _not_entities()
        if unusual or (noun and _in_business(words, number)):
            yield Candidate(name.start, trade.end, {"organization": LIKELY + 1})


def _in_business(words: Sequence[Word], number: int) -> bool:
    """Whether the two words from a place on do what companies do, or have it done to them."""
    before = next((word.text for word in words[max(0, number - 2) : number][::-1] if word.text != "了"), "")
    after = [word.text for word in words[number + 2 : number + 4]] + ["", ""]
    led = after[1] if after[0] in {"的", "与", "和"} else after[0]
    business = read_data("ner")["business"]
    return before in business["before"] or after[0] in business["after"] or led in business["posts"]


def _models(words: Sequence[Word]) -> Iterator[Candidate]:
    """A word and the number of a model: 极光X9."""
    for name, model in pairwise(words):
        is_name = name.tag.startswith(("n", "x")) and len(name.text) > 1 and name.text not in _not_entities()
        if is_name and name.tag != "nr" and name.text.isalnum() and _MODEL.fullmatch(model.text):
            yield Candidate(name.start, model.end, {"product": LIKELY + 1 if len(model.text) > 1 else LIKELY})


def _belongs(word: Word, nouns_too: bool) -> bool:
    """Whether a word before a suffix is a part of the name that ends with it."""
    return word.text not in _not_entities() and (nouns_too or word.tag.startswith(_NAME_TAGS))


def _with_name(compound: Candidate, listed: Sequence[Candidate]) -> Candidate:
    """A compound with a known name of the same type is more certain than that name: 阿里巴巴 in 阿里巴巴集团."""
    known = any(
        name.start >= compound.start and name.end <= compound.end and name.prior.keys() == compound.prior.keys()
        for name in listed
    )
    return Candidate(compound.start, compound.end, dict.fromkeys(compound.prior, SURE)) if known else compound


def _latin(text: str) -> Iterator[Candidate]:
    """Latin words written like names, with the words and numbers that belong to them: iPhone 15 Pro."""
    for found in _LATIN_NAME.finditer(text):
        name = found[0].rstrip(".+-")
        kind = _names().get(name) or _names().get(name.split()[0])
        prior = {kind: SURE} if kind else dict.fromkeys(_kinds_of_tag().get("eng", ()), HINT)
        yield Candidate(found.start(), found.start() + len(name), prior)


def _single(word: Word) -> Iterator[Candidate]:
    if word.text in _not_entities() or not word.text.strip() or len(word.text) < 2:
        return
    # `_latin` finds Latin words.
    prior = dict.fromkeys(_kinds_of_tag().get(word.tag, ()), LIKELY) if word.tag != "eng" else {}
    surname = begins_with_surname(word.text)
    if word.tag == "nz" or (word.tag.startswith("nr") and not surname):
        # Other names are of many types; foreign ones are tagged as people, whatever they name.
        prior = dict.fromkeys(prior, HINT)
    if word.tag == "x" and surname and word.text.isalpha():
        # With a character that the dictionary doesn't know, as many given names have one.
        prior = {"person": LIKELY}
    if word.tag == "ns" and len(word.text) == 3 and word.text[0] in surnames() and not in_dictionary(word.text):
        # A wrong guess: 高建国 is tagged as a place because of its last character.
        prior = {"place": HINT, "person": HINT}
    if word.tag == "n" and len(word.text) > 3:
        # 解放公园 and 省图书馆 are words of the dictionary.
        kinds = {"place"} | ({"organization"} if word.text.startswith(tuple(word_list("ner", "heads"))) else set())
        for kind, suffix in _suffixes_of(word.text):
            if kind in kinds and 1 < len(suffix) < len(word.text):
                prior = {kind: HINT}
    if prior:
        yield Candidate(word.start, word.end, prior)


def _runs(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Neighbouring nouns and names."""
    run: list[Word] = []
    for word in words:
        noun = word.tag.startswith(_NOUN_TAGS) or word.text in _all_suffixes()
        if noun and (word.text.isalnum() or word.text in "·-"):
            run.append(word)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _is_name(word: Word) -> bool:
    return word.tag.startswith(_NAME_TAGS) or not in_dictionary(word.text)


def _suffixes_of(word: str) -> Iterator[tuple[str, str]]:
    """The types with a suffix that ends the word, and the longest such suffix of each."""
    for kind, suffixes in _compound_suffixes().items():
        longest = max((suffix for suffix in suffixes if word.endswith(suffix)), key=len, default="")
        if longest:
            yield kind, longest


@cache
def _compound_suffixes() -> dict[str, tuple[str, ...]]:
    types = read_data("ner")["types"]
    return {kind: tuple(types[kind]["suffixes"]) for kind in types if kind not in {"time", "quantity"}}


@cache
def _all_suffixes() -> frozenset[str]:
    return frozenset(suffix for suffixes in _compound_suffixes().values() for suffix in suffixes)


@cache
def _kinds_of_tag() -> dict[str, tuple[str, ...]]:
    types = read_data("ner")["types"]
    # Numbers and times are found by their patterns only.
    tags = {tag for kind in types for tag in types[kind]["tags"]}
    return {
        tag: tuple(kind for kind in types if tag in types[kind]["tags"] and kind not in {"time", "quantity"})
        for tag in tags
    }


def _not_entities() -> frozenset[str]:
    return word_list("ner", "not_entities")


@cache
def _names() -> dict[str, str]:
    return {str(name): kind for kind, names in read_data("ner")["names"].items() for name in names}


@cache
def _name_pattern() -> re.Pattern[str]:
    return re.compile(any_of(_names()))


@cache
def _time_pattern() -> re.Pattern[str]:
    # 小时 before 时: the longest unit counts.
    unit = any_of(read_data("ner")["types"]["time"]["suffixes"])
    # 5号 is a day, 5号线 is not.
    unit = unit.replace("号", "号(?![线楼院店馆厅门桌机车站])")
    return re.compile(
        f"(?:{_YEAR_TO_DAY}|{_CLOCK}|{_WEEKDAY}|(?:第?{_NUMBER}(?:{unit})(?!间)(?:半|多|前|后|初|末|底)?){{1,8}})"
    )


@cache
def _quantity_pattern() -> re.Pattern[str]:
    unit = any_of(read_data("ner")["types"]["quantity"]["suffixes"])
    return re.compile(f"第?{_NUMBER}(?:{unit})")
