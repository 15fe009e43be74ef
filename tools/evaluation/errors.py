"""What can stop the evaluation, or one task of it. Each message says what is wrong, why, and what to do.

EvaluationError
├── UsageError     an option or a variable can't be used; nothing was asked
├── DataError      a labelled set is damaged; nothing was asked
├── ServiceError   the service can't be reached, isn't ready, or has changed its model meanwhile; there are no figures
└── AnswerError    an example got an error or no usable answer; the other tasks go on
"""

from __future__ import annotations


class EvaluationError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(EvaluationError):
    """An option or a variable can't be used."""


class DataError(EvaluationError):
    """A labelled set is damaged."""


class ServiceError(EvaluationError):
    """The service can't be reached, isn't ready, or has changed its model meanwhile."""


class AnswerError(EvaluationError):
    """An example got an error or no usable answer."""
