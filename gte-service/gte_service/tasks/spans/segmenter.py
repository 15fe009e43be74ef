"""Chinese text as words with parts of speech, at their places in the original text.

Words and tags are those of jieba (its Rust implementation): nr person, ns place, nt organization, nz other
name, t time, m number, eng Latin letters, n noun, v verb. It guesses names that are
not in its dictionary; a guess that includes a particle is cut again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import rjieba

from gte_service.tasks.prototypes.files import read_data

# Full-width letters, digits and the percent sign become half-width ones; each remains one character.
_HALF_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_HALF_WIDTH[ord("％")] = ord("%")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Rarely the end of a name: prepositions, conjunctions, particles, and characters with which verbs begin.
_PARTICLES = frozenset("在于和与对向从被把给说的了是为将同跟也都到去来就用出毕参担获当曾现已因收嫁娶刚又只不没")
_DOTS = frozenset("·•・‧")
_GIVEN_NAME_TAGS = frozenset(
    {"n", "ng", "a", "ag", "zg", "nr", "ns", "nz", "x", "j", "b", "vg", "t", "tg", "g", "q", "m", "z"}
)


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        text: its characters, with half-width letters and digits.
        tag: its part of speech.
        start: its first character in the original text.
        end: the character after its last.
    """

    text: str
    tag: str
    start: int
    end: int


def readable(text: str) -> str:
    """The text with half-width letters and digits; every character keeps its offset."""
    return _SURROGATE.sub("?", text).translate(_HALF_WIDTH)


def words_of(text: str) -> list[Word]:
    """The words of a text; together they cover it entirely, including spaces and punctuation."""
    load_dictionary()
    words = list(_cut_guesses(_segmented(readable(text))))
    return list(_full_names(list(_foreign_names(words))))


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


@cache
def surnames() -> frozenset[str]:
    """Chinese surnames of one and of two characters."""
    return frozenset(read_data("ner")["surnames"])


def in_dictionary(word: str) -> bool:
    """Whether a word is in the segmenter's dictionary and therefore not a guess."""
    load_dictionary()
    return bool(rjieba.has_word(word))


def _segmented(text: str) -> Iterator[Word]:
    start = 0
    for word, tag in rjieba.tag(text):
        yield Word(word, tag, start, start + len(word))
        start += len(word)


def _cut_guesses(words: Iterator[Word]) -> Iterator[Word]:
    for word in words:
        if 1 < len(word.text) <= 4 and word.text[-1] in _PARTICLES and not in_dictionary(word.text):
            rest = word.text[:-1]
            tag = "nr" if rest[0] in surnames() and len(rest) in {2, 3} else word.tag
            yield Word(rest, tag, word.start, word.end - 1)
            yield Word(word.text[-1], "p", word.end - 1, word.end)
        elif len(word.text) > 2 and word.text[0] in _PARTICLES and in_dictionary(word.text[1:]):
            # 于杭州: 于 is a surname too.
            yield Word(word.text[0], "p", word.start, word.start + 1)
            yield from (
                Word(rest.text, rest.tag, word.start + 1 + rest.start, word.start + 1 + rest.end)
                for rest in _segmented(word.text[1:])
            )
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


def _full_names(words: Sequence[Word]) -> Iterator[Word]:
    """Join a surname that stands alone with the given name that follows it."""
    number = 0
    while number < len(words):
        word = words[number]
        given, after = (words[place] if place < len(words) else None for place in (number + 1, number + 2))
        if given and _form_a_name(word, given, words[number - 1] if number else None, after):
            yield Word(word.text + given.text, "nr", word.start, given.end)
            number += 2
        else:
            yield word
            number += 1


def _form_a_name(surname: Word, given: Word, before: Word | None, after: Word | None) -> bool:
    if surname.tag == "nr" and len(surname.text) == 2 and surname.text[0] in surnames():
        # 黎明远担任: the dictionary has the first two characters as a name.
        continues = after is not None and after.tag in {"d", "v", "t", "p", "c", "uj"}
        return len(given.text) == 1 and given.tag in {"a", "ag", "zg", "ng", "b"} and continues
    if surname.text not in surnames() or len(given.text) > 2 or given.text in _PARTICLES:
        return False
    if surname.tag.startswith("nr"):
        return given.tag in _GIVEN_NAME_TAGS
    if surname.text in _PARTICLES:
        return False
    # A word that can also be a surname: accepted where a clause begins and continues as after a name.
    begins = before is None or not before.text.isalnum() or before.tag in {"c", "p", "uj"}
    continues = after is None or after.tag in {"d", "v", "t", "p", "c", "uj"}
    return begins and continues and len(given.text) == 2 and given.tag in {"n", "ns", "nr", "nz"}
