"""Chinese text as words with parts of speech, at their places in the original text.

Words and tags are those of jieba (its Rust implementation): nr person, ns place, nt organization, nz other
name, t time, m number, eng Latin letters, n noun, v verb. It guesses names that are
not in its dictionary; a guess that includes a particle is cut again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

import rjieba

from gte_service.tasks.prototypes.files import read_data, word_list
from gte_service.tasks.spans.personal_names import PARTICLES, Word, full_names, surnames

# Full-width letters, digits and the percent sign become half-width ones; each remains one character.
_HALF_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_HALF_WIDTH[ord("％")] = ord("%")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# With these no name begins that the segmenter guesses.
_BEFORE_NAMES = frozenset("对与把被给跟")
_DOTS = frozenset("·•・‧")


def readable(text: str) -> str:
    """The text with half-width letters and digits; every character keeps its offset."""
    return _SURROGATE.sub("?", text).translate(_HALF_WIDTH)


def words_of(text: str) -> list[Word]:
    """The words of a text; together they cover it entirely, including spaces and punctuation."""
    load_dictionary()
    words = list(_cut_posts(_cut_guesses(_segmented(readable(text)))))
    return list(full_names(list(_foreign_names(words))))


@cache
def load_dictionary() -> None:
    """Load the segmenter's dictionary (0.1 s, 41 MiB) and add the names of the data file, once in a process.

    Children of a process that has loaded it before the fork share its memory.
    """
    tags = {"person": "nr", "place": "ns", "organization": "nt", "time": "t", "quantity": "m"}
    for kind, names in read_data("ner")["names"].items():
        for name in map(str, names):
            # Shorter names would be found inside other words.
            if len(name) > 2 and name.isalpha() and not name.isascii():
                rjieba.add_word(name, None, tags.get(kind, "nz"))


def in_dictionary(word: str) -> bool:
    """Whether a word is in the segmenter's dictionary and therefore not a guess."""
    load_dictionary()
    return bool(rjieba.has_word(word))


@cache
def _post_of_an_organization() -> dict[str, int]:
    """Words of an organization and a post, and where the post begins."""
    data = read_data("ner")
    return {
        f"{suffix}{title}": len(suffix)
        for suffix in data["types"]["organization"]["suffixes"]
        for title in data["titles"]
        if len(suffix) > 1
    }


def _segmented(text: str) -> Iterator[Word]:
    start = 0
    # Cities and countries that the dictionary tags as something else.
    places = word_list("ner", "places")
    for word, tag in rjieba.tag(text):
        yield Word(word, "ns" if word in places else tag, start, start + len(word))
        start += len(word)


def _cut_guesses(words: Iterator[Word]) -> Iterator[Word]:
    for word in words:
        if 1 < len(word.text) <= 4 and word.text[-1] in PARTICLES and not in_dictionary(word.text):
            rest = word.text[:-1]
            tag = "nr" if rest[0] in surnames() and len(rest) in {2, 3} else word.tag
            yield Word(rest, tag, word.start, word.end - 1)
            yield Word(word.text[-1], "p", word.end - 1, word.end)
        elif _has_a_word_before_it(word.text):
            yield Word(word.text[0], "p", word.start, word.start + 1)
            yield from (
                Word(rest.text, rest.tag, word.start + 1 + rest.start, word.start + 1 + rest.end)
                for rest in _segmented(word.text[1:])
            )
        else:
            yield word


def _has_a_word_before_it(word: str) -> bool:
    """Whether the first character of a word is a word of its own: 于杭州, 对石门. 于 is a surname too."""
    if len(word) < 3:
        return len(word) == 2 and word[0] in _BEFORE_NAMES and word[1] in surnames() and not in_dictionary(word)
    return (word[0] in PARTICLES and in_dictionary(word[1:])) or (word[0] in _BEFORE_NAMES and not in_dictionary(word))


def _cut_posts(words: Iterator[Word]) -> Iterator[Word]:
    """Cut what the dictionary has as one word: 长河/银行行长."""
    for word in words:
        at = _post_of_an_organization().get(word.text)
        if at:
            yield Word(word.text[:at], "n", word.start, word.start + at)
            yield Word(word.text[at:], "n", word.start + at, word.end)
        else:
            yield word


def _foreign_names(words: Sequence[Word]) -> Iterator[Word]:
    """Join the parts of a foreign name: 大卫·史密斯."""
    parts: list[Word] = []
    for word in words:
        dot = word.text in _DOTS
        if parts and (dot or parts[-1].text in _DOTS) and (dot or word.text.isalpha()):
            parts.append(word)
            continue
        yield from _joined(parts)
        parts = [word]
    yield from _joined(parts)


def _joined(parts: list[Word]) -> Iterator[Word]:
    is_name = len(parts) > 2 and parts[-1].text not in _DOTS and parts[0].text.isalpha()
    if is_name:
        yield Word("".join(part.text for part in parts), "nrt", parts[0].start, parts[-1].end)
    else:
        yield from parts
