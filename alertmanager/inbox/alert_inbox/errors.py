"""Everything that can go wrong in the inbox, in one tree.

InboxError
├── SettingsError       the environment holds a value that can't be used: the program ends with 2
├── StoreError          the database can't be read or written: HTTP 503, Alertmanager sends again
└── RequestError        the client sent something that can't be used: sending it again is useless
    ├── InvalidPayload  the body is not a webhook notification: HTTP 400
    ├── PayloadTooLarge the body is longer than the inbox takes: HTTP 413
    ├── UnknownHost     the Host header has a name that doesn't lead here: HTTP 403
    ├── TokenNeeded     a post from beyond the host, without the token: HTTP 401
    └── InvalidQuery    a query parameter is wrong: HTTP 400
"""

from http import HTTPStatus


class InboxError(Exception):
    """The root: catch this for anything the inbox itself raises."""


class SettingsError(InboxError):
    """A setting is wrong; the message names the variable, its value and what is expected."""


class StoreError(InboxError):
    """The database can't be used now; the message says why and what to do."""


class RequestError(InboxError):
    """A request is refused for good; `code` is the machine-readable half of the answer."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid_request"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidPayload(RequestError):
    """The body of POST /alerts can't be understood."""

    code = "invalid_payload"


class PayloadTooLarge(RequestError):
    """The body of POST /alerts is longer than the inbox takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class UnknownHost(RequestError):
    """The request came by a name that isn't known to lead here."""

    status = HTTPStatus.FORBIDDEN
    code = "unknown_host"


class TokenNeeded(RequestError):
    """A post to the published port lacks the token, or has another."""

    status = HTTPStatus.UNAUTHORIZED
    code = "token_needed"


class InvalidQuery(RequestError):
    """A query parameter is unknown or out of range."""

    code = "invalid_query"
