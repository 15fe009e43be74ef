"""Reads the body of a request: its media type, its size, its JSON, and the names of its fields."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from flask import request
from werkzeug.http import parse_options_header

from gte_service.errors import IncompleteBody, InvalidInput, InvalidJson, SlowBody, TooLarge, UnsupportedMedia
from gte_service.tasks.fields import did_you_mean, kind_of

_LONGEST_NAME = 40
# What the MIME Sniffing Standard calls a JSON type, and the names from before application/json was registered. Browsers
# send none of them to another origin without asking (Fetch Standard, "CORS-safelisted request-header").
_JSON_TYPE = re.compile(r"(application|text)/(x-)?json|[^/\s]+/[^/\s]+\+json", re.IGNORECASE)


def read_object(example: Mapping[str, Any], limit: int, deadline: float) -> dict[str, Any]:
    """The JSON object in the current request's body.

    Args:
        example: a valid body, for messages.
        limit: most bytes it may have.
        deadline: the `time.monotonic()` by which it must have arrived.

    Raises:
        UnsupportedMedia: its headers don't declare JSON, or declare it to be compressed.
        TooLarge: it is longer than `limit`; no more than `limit` + 1 bytes have been read.
        IncompleteBody: it breaks off.
        SlowBody: it doesn't arrive in time.
        InvalidJson: it is not JSON, or not an object.
    """
    _check_media()
    data = _received(limit, deadline)
    hint = f"For example, send {json.dumps(example, ensure_ascii=False)}."
    try:
        body = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise InvalidJson(f"the body is not JSON in UTF-8 ({error.reason} at byte {error.start}). {hint}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"the body is not JSON ({error}). {hint}") from error
    if not isinstance(body, dict):
        raise InvalidJson(f"the body must be a JSON object, not {kind_of(body)}. {hint}")
    return body


def deadline_in(seconds: float) -> float:
    """The `time.monotonic()` that many seconds after the first byte of the current request."""
    begun: float = getattr(request.environ.get("gunicorn.socket"), "begun", time.monotonic())
    return begun + seconds


def check_names(body: Mapping[str, Any], known: Collection[str], of: str) -> None:
    """Refuse unknown fields: a misspelt one must not be ignored.

    Args:
        body: the request's JSON object.
        known: the fields it may have.
        of: the owner of the fields, for the message.

    Raises:
        InvalidInput: there is an unknown field; the message names the most similar known one.
    """
    for name in body:
        if name not in known:
            short = name[:_LONGEST_NAME]
            listed = ", ".join(sorted(known))
            raise InvalidInput(
                f'{of} has no field "{short}".{did_you_mean(name, known)} Its fields are: {listed}.', field=short
            )


def _check_media() -> None:
    sent = request.headers.get("Content-Type", "")
    # JSON is UTF-8 whatever a charset beside it says (RFC 8259).
    kind, _ = parse_options_header(sent)
    if not _JSON_TYPE.fullmatch(kind):
        # Without this header, or with a form's type, any page could have a visitor's browser send a request.
        what = f"a body of the type {sent[:80]!r} can't be read" if sent else "the header Content-Type is missing"
        raise UnsupportedMedia(
            f"{what}. Send JSON in UTF-8 with the header Content-Type: application/json "
            "(with curl: -H 'Content-Type: application/json')."
        )
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedMedia(f"a body with Content-Encoding {coding[:80]!r} can't be read. Send it uncompressed.")


def _received(limit: int, deadline: float) -> bytes:
    declared = request.content_length
    if declared is not None and declared > limit:
        raise TooLarge(f"the body has {declared} bytes; at most {limit} are allowed. Send several shorter requests.")
    try:
        # Not `request.get_data`: it silently cuts off a longer body without Content-Length.
        data: bytes = request.environ["wsgi.input"].read(limit + 1 if declared is None else declared)
    except TimeoutError as error:
        raise SlowBody("the body did not arrive in time. Send the request again.") from error
    except Exception as error:  # (the server has an error of its own for each kind of broken body)
        raise IncompleteBody(f"the body breaks off ({type(error).__name__}). Send the request again.") from error
    if time.monotonic() > deadline:
        raise SlowBody("the body arrived too slowly. Send the request again, or a shorter one.")
    if len(data) > limit:
        raise TooLarge(f"the body has more than {limit} bytes. Send several shorter requests.")
    if declared is not None and len(data) < declared:
        raise IncompleteBody(f"the body breaks off after {len(data)} of {declared} bytes. Send the request again.")
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
