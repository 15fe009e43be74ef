"""Chinese personal names that a segmenter cuts into pieces: a surname, and the given name that follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from gte_service.tasks.prototypes.files import read_data, word_list

# Rarely the end of a name: prepositions, conjunctions, particles, and characters with which verbs begin.
PARTICLES = frozenset("在于和与对向从被把给说的了是为将同跟也都到去来就用出毕参担获当曾现已因收嫁娶刚又只不没以")
_GIVEN_NAME_TAGS = frozenset(
    {"n", "ng", "a", "ag", "zg", "nr", "nrt", "ns", "nz", "x", "j", "b", "vg", "t", "tg", "g", "q", "m", "z"}
)
# What goes on after a name: a verb, an adverb, a time, a preposition, a conjunction, 的.
_GOES_ON = frozenset({"d", "v", "t", "p", "c", "uj"})
_IS = frozenset({"是", "叫"})
_NAMES = frozenset({"nr", "nrt", "ns", "nz"})


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


def surnames() -> frozenset[str]:
    """Chinese surnames of one and of two characters."""
    return word_list("ner", "surnames")


def begins_with_surname(word: str) -> bool:
    """Whether a word, which isn't empty, may be a Chinese name by its beginning."""
    return word[0] in surnames() or word[:2] in surnames()


def full_names(words: Sequence[Word]) -> Iterator[Word]:
    """The words, with a surname that stands alone joined to the given name that follows it."""
    number = 0
    while number < len(words):
        length = _words_of_a_name(words, number)
        if length:
            name = words[number : number + length]
            yield Word("".join(word.text for word in name), "nr", name[0].start, name[-1].end)
        else:
            yield words[number]
        number += length or 1


def _words_of_a_name(words: Sequence[Word], number: int) -> int:
    """How many words from a place on are one person's name that isn't tagged as such; 0 if they are none."""
    first = words[number]
    if not begins_with_surname(first.text):
        return 0
    second, third, fourth = (
        words[place] if place < len(words) else None for place in (number + 1, number + 2, number + 3)
    )
    before = words[number - 1] if number else None
    introduced = _introduced(words, number)
    if second and len(second.text) <= 2 and second.text not in PARTICLES:
        if _form_a_name(first, second, before, third, introduced):
            return 2
        characters = third and len(first.text) == len(second.text) == len(third.text) == 1
        if introduced and characters and third and third.tag in _GIVEN_NAME_TAGS and _ends_a_name(fourth):
            return 3
    alone = introduced and 1 < len(first.text) <= 3 and first.tag in {"n", "x", "nz", "j"} and _ends_a_name(second)
    return int(alone and first.text not in word_list("ner", "not_entities"))


def _form_a_name(surname: Word, given: Word, before: Word | None, after: Word | None, introduced: bool) -> bool:
    goes_on = after is not None and after.tag in _GOES_ON
    if surname.tag == "nr" and len(surname.text) == 2 and surname.text[0] in surnames():
        # 黎明远担任: the dictionary has the first two characters as a name. 何苗苗: it never has such names.
        known = len(given.text) == 1 and given.tag in {"a", "ag", "zg", "ng", "b"}
        return (known and (goes_on or (introduced and _ends_a_name(after)))) or given.text == surname.text[1]
    if surname.text not in surnames():
        return False
    if len(given.text) == 2 and given.text[0] == given.text[1] and given.tag not in {"d", "v"}:
        return True
    begins = introduced or before is None or not before.text.isalnum() or before.tag in {"c", "p", "uj"}
    if surname.tag.startswith("nr"):
        # 陆远行2015年: as a verb it is no given name in 李主持了.
        is_verb = given.tag == "v" and len(given.text) == 2 and begins and after is not None and after.tag in {"m", "t"}
        return given.tag in _GIVEN_NAME_TAGS or is_verb
    if introduced and given.tag in _GIVEN_NAME_TAGS:
        return _ends_a_name(after)
    # A word that can also be a surname: accepted where a clause begins, and goes on as after a name.
    possible = surname.text not in PARTICLES and (begins or (before is not None and before.text in _IS))
    return possible and _is_given_name(given, after)


def _is_given_name(given: Word, after: Word | None) -> bool:
    """Whether a word is a given name, if the one before it is a surname."""
    if len(given.text) == 1:
        return given.tag in {"ns", "nr", "x"} and _ends_a_name(after)
    if given.tag in _NAMES:
        return after is None or after.tag == "v" or not after.tag.startswith(("n", "v"))
    return given.tag == "n" and (after is None or after.tag in _GOES_ON)


def _introduced(words: Sequence[Word], number: int) -> bool:
    """Whether a title, a trade or a kinship introduces a person: 画家白羽, 老师是陆知远."""
    before = words[max(0, number - 2) : number]
    if before and before[-1].text in _IS:
        before = before[:-1]
    return bool(before) and before[-1].text.endswith(_titles())


def _ends_a_name(after: Word | None) -> bool:
    """Whether what follows a word leaves room for its being a name: no noun that it could belong to."""
    return after is None or after.tag in _GOES_ON | {"m", "r", "f", "l", "i", "x"}


@cache
def _titles() -> tuple[str, ...]:
    return tuple(read_data("ner")["titles"])
