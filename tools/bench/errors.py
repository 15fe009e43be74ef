"""What can stop the comparison, or one of its candidates.

BenchError
├── UsageError      an option can't be used; nothing was started
├── SetupError      no engine, image or model: there are no figures
└── CandidateError  one candidate failed; the others go on

A message says what is wrong, why, and what to do.
"""

from __future__ import annotations


class BenchError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(BenchError):
    """An option can't be used."""


class SetupError(BenchError):
    """No engine, image or model: there are no figures."""


class CandidateError(BenchError):
    """One candidate failed.

    Attributes:
        log: the last lines that it wrote, "" if it wrote none.
    """

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log
