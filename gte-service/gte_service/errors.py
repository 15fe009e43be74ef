"""Every error of the service, in one tree.

GteError
├── SettingsError          a setting has a value that can't be used; the process ends with status 2
├── ModelError             no usable model; the service keeps running and /readyz shows the reason
│   ├── ModelFilesError    the files of the model are missing, incomplete or damaged
│   ├── DownloadError      the download failed; it is tried again with back-off
│   ├── StorageError       no space, or no permission to write, where the model is kept
│   └── PrecisionError     this machine can't compute in the precision that is set
└── RequestError           one request can't be answered; has an HTTP status and a `reason` of the metric contract
    ├── InvalidJson        400 invalid_json
    │   ├── IncompleteBody 400 invalid_json, code incomplete_body
    │   └── SlowBody       408 invalid_json, code request_timeout
    ├── InvalidInput       400 invalid_input
    ├── UnsupportedMedia   415 invalid_input, code unsupported_media_type
    ├── UnknownTask        400 unknown_task
    ├── UnknownModel       404 invalid_input, code model_not_found
    ├── Unauthorized       401 unauthorized
    ├── TooLarge           413 too_large
    ├── ModelNotReady      503 model_not_ready
    ├── Overloaded         503 overloaded
    ├── DeadlineExceeded   504 deadline
    └── InferenceFailed    500 internal
        └── ModelBroken    500 internal

A message says what is wrong, why, and how to fix it. Clients get a `code`; it equals the reason where none is given.
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
    """The model could not be downloaded from ModelScope."""


class StorageError(ModelError):
    """The place where the model is kept is full or can't be written."""


class PrecisionError(ModelError):
    """This machine can't compute in the precision that is set."""


class RequestError(GteError):
    """One request can't be answered.

    Attributes:
        status: the HTTP status of the answer.
        reason: the value of the label `reason` in the metrics.
        code: identifies the error for clients; the reason, or finer.
        field: the field of the request that is wrong, or None.
        phases: seconds of what the engine had done for the request by then, by phase of the metric contract.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "internal"
    code: ClassVar[str] = "internal"

    def __init_subclass__(cls) -> None:
        if "code" not in vars(cls):
            cls.code = cls.reason

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.phases: dict[str, float] = {}


class InvalidJson(RequestError):
    """The body is not a JSON object."""

    status = 400
    reason = "invalid_json"


class IncompleteBody(InvalidJson):
    """The body ended or broke off before it was complete."""

    code = "incomplete_body"


class SlowBody(InvalidJson):
    """The body did not arrive within the time a request may take."""

    status = 408
    code = "request_timeout"


class InvalidInput(RequestError):
    """A field is missing or has a value that can't be used."""

    status = 400
    reason = "invalid_input"


class UnsupportedMedia(RequestError):
    """The headers declare no JSON."""

    status = 415
    reason = "invalid_input"
    code = "unsupported_media_type"


class UnknownTask(RequestError):
    """`task_type` is not a task of this service."""

    status = 400
    reason = "unknown_task"


class UnknownModel(RequestError):
    """`model` is not a name of the loaded model."""

    status = 404
    reason = "invalid_input"
    code = "model_not_found"


class Unauthorized(RequestError):
    """The request has no API key, or a wrong one."""

    status = 401
    reason = "unauthorized"


class TooLarge(RequestError):
    """The body or the number of texts is over the limit."""

    status = 413
    reason = "too_large"


class ModelNotReady(RequestError):
    """The model is still being downloaded or loaded, or loading it has failed."""

    status = 503
    reason = "model_not_ready"


class Overloaded(RequestError):
    """More texts are waiting than the queue holds."""

    status = 503
    reason = "overloaded"


class DeadlineExceeded(RequestError):
    """The request exceeded its time limit; texts not computed by then were dropped."""

    status = 504
    reason = "deadline"


class InferenceFailed(RequestError):
    """The model failed or hung on this request's texts."""


class ModelBroken(InferenceFailed):
    """The model hangs or fails at every text; its worker is being replaced."""
