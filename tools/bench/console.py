"""What is said while it runs."""

from __future__ import annotations

import sys
import time

_BEGUN = time.monotonic()


def say(text: str) -> None:
    """Print a line of progress at once, with the seconds since the start; standard output is for the report."""
    print(f"{time.monotonic() - _BEGUN:5.0f} s  {text}", file=sys.stderr, flush=True)
