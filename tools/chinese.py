"""Says in Chinese what the launcher and `make help` print, where the locale asks for Chinese.

`chinese.yaml` beside this file has a pattern for each English sentence; that of the service's page is read too, for the
states of the model and the faults of its files. `python3 -m tools.chinese` translates its input. A sentence without a
pattern stays English. It needs the standard library and nothing else.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILES = (
    Path(__file__).with_suffix(".yaml"),
    Path(__file__).parents[1] / "gte-service" / "gte_service" / "api" / "chinese.yaml",
)
# Both files are YAML of this form alone, which Python reads without a package.
_ENTRY = re.compile(r"^'((?:[^'\n]|'')+)':\n  '((?:[^'\n]|'')*)'$", re.M)
_NO_TRANSLATION = "zz"
_language = _NO_TRANSLATION


def speak_the_locales_language(environ: Mapping[str, str]) -> None:
    """Translate from now on if LC_ALL, LC_MESSAGES or LANG, the first that is set, begins with `zh`.

    The output gets the encoding that this locale names, also where the host lacks the locale, and a character that the
    encoding lacks becomes a question mark. Where the encoding has no simplified Chinese (Big5) the texts stay English.
    """
    global _language  # noqa: PLW0603 - a program has one output, and one language for it
    name = locale_of(environ)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=_encoding(name) or stream.encoding, errors="replace")  # type: ignore[union-attr]
    _language = "zh" if name.startswith("zh") and _has_chinese(sys.stdout.encoding) else _NO_TRANSLATION


def locale_of(environ: Mapping[str, str]) -> str:
    """The locale of messages: LC_ALL, LC_MESSAGES or LANG, the first that is set; "" where none is."""
    return next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")


def said(text: str) -> str:
    """The text in the language of the locale: as a whole, or else line by line, where a pattern matches."""
    return _in_chinese(text) if _language == "zh" else text


def width(text: str) -> int:
    """The columns that a text takes on a terminal: a Chinese character takes two."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


@cache
def sentences() -> list[tuple[re.Pattern[str], str]]:
    """The pattern of each English sentence, and its Chinese, in the order in which they are tried."""
    return [
        (re.compile(pattern.replace("''", "'"), re.S), chinese.replace("''", "'").replace("\\n", "\n"))
        for file in _FILES
        for pattern, chinese in _ENTRY.findall(file.read_text(encoding="utf-8"))
    ]


def _in_chinese(text: str) -> str:
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    for pattern, chinese in sentences():
        if found := pattern.fullmatch(text, begin, end):
            parts = [text, *map(_in_chinese, found.groups(""))]
            return text[:begin] + re.sub(r"\$(\d)", lambda place: parts[int(place[1])], chinese) + text[end:]  # noqa: B023
    lines = text.split("\n")
    return "\n".join(map(_in_chinese, lines)) if len(lines) > 1 else text


def _encoding(locale: str) -> str:
    try:
        return codecs.lookup(locale.partition(".")[2].partition("@")[0]).name
    except LookupError:
        return ""


def _has_chinese(encoding: str) -> bool:
    try:
        return bool("启".encode(encoding))
    except UnicodeError:
        return False


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    speak_the_locales_language(os.environ)
    for line in sys.stdin:
        print(said(line), end="")
