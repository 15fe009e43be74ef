"""Why there is nothing to say about whether log and counters agree.

ReconcileError
├── UsageError       an option can't be used; nothing was read
├── PrometheusError  Prometheus doesn't answer as it should
├── LogError         the log of gte-service can't be read
└── RangeError       the range holds too little to compare

A message says what is wrong, why, and what to do.
"""

from __future__ import annotations


class ReconcileError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(ReconcileError):
    """An option can't be used."""


class PrometheusError(ReconcileError):
    """Prometheus doesn't answer as it should."""


class LogError(ReconcileError):
    """The log of gte-service can't be read."""


class RangeError(ReconcileError):
    """The range holds too little to compare."""
