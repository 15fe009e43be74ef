"""What can stop the benchmark.

BenchmarkError
├── UsageError       an option can't be used; nothing was started
└── MeasuringError   a process of it failed: there are no figures

A message says what is wrong, why, and what to do.
"""

from __future__ import annotations


class BenchmarkError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(BenchmarkError):
    """An option can't be used."""


class MeasuringError(BenchmarkError):
    """A process of the benchmark failed: there are no figures."""
