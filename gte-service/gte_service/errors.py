"""Every error of the service, in one tree.

GteError
├── SettingsError          a setting has a value that can't be used; the process ends with status 2
├── ModelError             no usable model; the service lives on and says so in /readyz
│   ├── ModelFilesError    the files of the model are missing, incomplete or damaged
│   ├── DownloadError      ModelScope didn't deliver; tried again with back-off
│   ├── StorageError       no room, or no right to write, where the model is kept
│   └── PrecisionError     this machine doesn't compute in the precision that is set
└── RequestError           one request can't be answered; has an HTTP status and a `reason` of the metric contract
    ├── InvalidJson        400 invalid_json
    ├── InvalidInput       400 invalid_input
    ├── UnknownTask        400 unknown_task
    ├── TooLarge           413 too_large
    ├── ModelNotReady      503 model_not_ready
    ├── Overloaded         503 overloaded
    ├── DeadlineExceeded   504 deadline
    └── InferenceFailed    500 internal

A message says what is wrong, why, and how to put it right.
"""

from __future__ import annotations

from typing import ClassVar


class GteError(Exception):
    """Base of all errors that this package raises on purpose."""


class SettingsError(GteError):
    """A setting has a value that can't be used."""


class ModelError(GteError):
    """There is no model to answer with."""


class ModelFilesError(ModelError):
    """The files of the model are missing, incomplete or damaged."""


class DownloadError(ModelError):
    """The model could not be fetched from ModelScope."""


class StorageError(ModelError):
    """The place where the model is kept is full or can't be written."""


class PrecisionError(ModelError):
    """This machine doesn't compute in the precision that is asked for."""


class RequestError(GteError):
    """One request can't be answered.

    Attributes:
        status: the HTTP status it is answered with.
        reason: the value of the label `reason` it is counted under.
        field: the field of the request that is wrong, or None.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "internal"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidJson(RequestError):
    """The body is not a JSON object."""

    status = 400
    reason = "invalid_json"


class InvalidInput(RequestError):
    """A field is missing or has a value that can't be used."""

    status = 400
    reason = "invalid_input"


class UnknownTask(RequestError):
    """`task_type` names no task of this service."""

    status = 400
    reason = "unknown_task"


class TooLarge(RequestError):
    """The body or the number of texts is over the limit."""

    status = 413
    reason = "too_large"


class ModelNotReady(RequestError):
    """The model is still being fetched or loaded, or that has failed."""

    status = 503
    reason = "model_not_ready"


class Overloaded(RequestError):
    """More texts are waiting than the queue holds."""

    status = 503
    reason = "overloaded"


class DeadlineExceeded(RequestError):
    """The request waited longer than it may; what had not been computed by then was dropped."""

    status = 504
    reason = "deadline"


class InferenceFailed(RequestError):
    """The model failed or hung at this request's texts."""
