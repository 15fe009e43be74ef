"""Moments of time: in RFC 3339 outside, in seconds since 1970 (UTC) inside."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_RFC_3339 = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)"
)


def read_moment(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time; Docker writes nanoseconds, which no version of Python reads.

    Raises:
        ValueError: it is none, or has no offset.
    """
    found = _RFC_3339.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no RFC 3339 time")
    offset = "+00:00" if found["offset"] in "Zz" else found["offset"]
    return datetime.fromisoformat(found["whole"].upper() + offset).timestamp() + float(found["fraction"] or 0)


def say_moment(seconds: float) -> str:
    """The moment in RFC 3339, to the millisecond, in UTC."""
    # datetime.UTC came with Python 3.11, and this runs with 3.9.
    moment = datetime.fromtimestamp(seconds, timezone.utc)  # noqa: UP017
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
