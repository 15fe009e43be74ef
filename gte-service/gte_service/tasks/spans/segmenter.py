"""Chinese text as words with parts of speech, at their places in the original text.

The words are jieba's (its Rust implementation), and so are the tags: nr person, ns place, nt organization, nz other
name, t time, m number, eng Latin letters, n noun, v verb. Names that its dictionary lacks it guesses; a guess that
swallowed a particle is cut again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import rjieba

from gte_service.tasks.prototypes.files import read_data

# Full-width letters, digits and the percent sign are read as half-width ones; each is still one character.
_HALF_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_HALF_WIDTH[ord("％")] = ord("%")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Never the end of a name: prepositions, conjunctions, particles, and verbs of speech.
_PARTICLES = frozenset("在于和与对向从被把给说的了是为将同跟也都到去来就")
_GIVEN_NAME_TAGS = frozenset(
    {"n", "ng", "a", "ag", "zg", "nr", "ns", "nz", "x", "j", "b", "vg", "t", "tg", "g", "q", "m", "z"}
)


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        text: as it is read; full-width letters and digits are half-width.
        tag: its part of speech.
        start: its first character in the original text.
        end: the character after its last.
    """

    text: str
    tag: str
    start: int
    end: int


def readable(text: str) -> str:
    """The text as it is read, each character at its place: full-width letters and digits become half-width."""
    return _SURROGATE.sub("?", text).translate(_HALF_WIDTH)


def words_of(text: str) -> list[Word]:
    """The words of a text; together they are the whole of it, spaces and punctuation included."""
    _ready()
    return list(_whole_names(_cut_guesses(_segmented(readable(text)))))


@cache
def surnames() -> frozenset[str]:
    """Chinese surnames of one and of two characters."""
    return frozenset(read_data("ner")["surnames"])


def in_dictionary(word: str) -> bool:
    """Whether the segmenter knows a word, and so did not guess it."""
    _ready()
    return bool(rjieba.has_word(word))


@cache
def _ready() -> None:
    """Teach the segmenter the names of the data file; the first call also loads its dictionary (0.1 s, 41 MiB)."""
    tags = {"person": "nr", "place": "ns", "organization": "nt", "time": "t", "quantity": "m"}
    for kind, names in read_data("ner")["names"].items():
        for name in map(str, names):
            # Shorter ones would be found inside of other words.
            if len(name) > 2 and name.isalpha() and not name.isascii():
                rjieba.add_word(name, None, tags.get(kind, "nz"))


def _segmented(text: str) -> Iterator[Word]:
    start = 0
    for word, tag in rjieba.tag(text):
        yield Word(word, tag, start, start + len(word))
        start += len(word)


def _cut_guesses(words: Iterator[Word]) -> Iterator[Word]:
    for word in words:
        if 1 < len(word.text) <= 3 and word.text[-1] in _PARTICLES and not in_dictionary(word.text):
            rest = word.text[:-1]
            tag = "nr" if rest[0] in surnames() and len(rest) == 2 else word.tag
            yield Word(rest, tag, word.start, word.end - 1)
            yield Word(word.text[-1], "p", word.end - 1, word.end)
        else:
            yield word


def _whole_names(words: Iterator[Word]) -> Iterator[Word]:
    """Join a surname that stands alone with the given name that follows it."""
    surname: Word | None = None
    for word in words:
        if surname and len(word.text) == 1 and word.tag in _GIVEN_NAME_TAGS and word.text not in _PARTICLES:
            yield Word(surname.text + word.text, "nr", surname.start, word.end)
            surname = None
            continue
        if surname:
            yield surname
        surname = word if word.tag.startswith("nr") and word.text in surnames() else None
        if not surname:
            yield word
    if surname:
        yield surname
