"""Every error of the load test, in one tree.

LoadTestError
├── UsageError        an option or a setting can't be used; nothing was sent
├── StackError        the service or Prometheus doesn't answer as it should; there are no figures
├── WrkError          wrk didn't run, or its figures can't be understood
└── NotSettledError   Prometheus' figures don't come to rest: not yet, or something else sends requests

A message says what is wrong, why, and what to do.
"""

from __future__ import annotations


class LoadTestError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(LoadTestError):
    """An option or a setting can't be used."""


class StackError(LoadTestError):
    """The service or Prometheus doesn't answer as it should."""


class WrkError(LoadTestError):
    """wrk didn't run, or its figures can't be understood."""


class NotSettledError(LoadTestError):
    """Prometheus' figures don't come to rest."""
