"""Every error of the smoke test, in one tree.

SmokeError
├── UsageError             an option or a setting can't be used; nothing was checked
├── LeftOutError           this check can't be done on this stack; says why
└── CheckError             what was seen is not what was expected
    └── UnreachableError   no whole answer came from a service in time

A message says what was asked and what was seen.
"""

from __future__ import annotations


class SmokeError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(SmokeError):
    """An option or a setting can't be used."""


class LeftOutError(SmokeError):
    """A check can't be done on this stack; it counts neither as passed nor as failed."""


class CheckError(SmokeError):
    """What was seen is not what was expected."""


class UnreachableError(CheckError):
    """No whole answer came from a service in time.

    Attributes:
        service: the Compose name of the service that didn't answer.
    """

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        self.service = service
