"""Where the sentences of a text begin and end."""

from __future__ import annotations

import re

# A full stop between digits or letters ends no sentence: 3.5, example.com.
_END = re.compile(r"(?:[。！？!?；;…\n]|\.(?=\s|$))+[”’」』）)\"']*")


def sentences_of(text: str) -> list[tuple[int, int]]:
    """The sentences as (start, end) in characters, without the spaces around them; blank ones are left out."""
    ends = [found.end() for found in _END.finditer(text)]
    spans = zip([0, *ends], [*ends, len(text)], strict=True)
    return [
        (start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip())))
        for start, end in spans
        if (part := text[start:end]).strip()
    ]
