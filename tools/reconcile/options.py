"""Reads the command line once into what is compared."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tools import reconcile
from tools.reconcile.errors import UsageError
from tools.reconcile.moments import read_moment, say_moment

_DURATION = re.compile(r"(?P<number>\d+)(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

EPILOG = """\
A moment is an RFC 3339 time (2026-11-22T10:00:00Z) or a time before now (90s, 10m, 2h, 1d).
The range that is compared begins and ends with a scrape, so it is a little shorter than the one asked for.
Exit status: 0 log and counters agree, 1 they differ, 2 wrong usage, or one of them can't be read."""


@dataclass(frozen=True)
class Options:
    """What is compared.

    Attributes:
        since: where the range begins, in seconds since 1970.
        until: where it ends.
        json: whether to print JSON instead of the table.
    """

    since: float
    until: float
    json: bool


def read_options(arguments: Sequence[str] | None, now: float) -> Options:
    """The options of this run; `now` is the time in seconds since 1970.

    Raises:
        UsageError: they contradict each other.
        SystemExit: with status 2, as argparse ends it.
    """
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.reconcile",
        description=reconcile.__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--since", default="10m", metavar="MOMENT", help="begin of the range; default: 10m")
    parser.add_argument("--until", default="0s", metavar="MOMENT", help="end of the range; default: now")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    given = parser.parse_args(arguments)
    since, until = _moment("--since", given.since, now), min(_moment("--until", given.until, now), now)
    if since >= until:
        raise UsageError(
            f"The range from {say_moment(since)} to {say_moment(until)} is empty: --since must be before --until, and "
            f"before now ({say_moment(now)})."
        )
    return Options(since, until, given.json)


def _moment(option: str, text: str, now: float) -> float:
    duration = _DURATION.fullmatch(text)
    if duration:
        return now - int(duration["number"]) * _SECONDS[duration["unit"]]
    try:
        return read_moment(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is no moment. Write an RFC 3339 time with its offset (2026-11-22T10:00:00Z) or a time "
            "before now (90s, 10m, 2h, 1d)."
        ) from None
