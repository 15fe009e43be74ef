"""Reads the body of a request: its media type, its size, its JSON, and the names of its fields."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from flask import request
from werkzeug.http import parse_options_header

from gte_service.errors import IncompleteBody, InvalidInput, InvalidJson, SlowBody, TooLarge, UnsupportedMedia
from gte_service.tasks.fields import kind_of

_LONGEST_NAME = 40


def read_object(example: Mapping[str, Any], limit: int, deadline: float) -> dict[str, Any]:
    """The JSON object in the current request's body.

    Args:
        example: a valid body, for messages.
        limit: most bytes it may have.
        deadline: the `time.monotonic()` by which it must have arrived.

    Raises:
        UnsupportedMedia: its headers declare something other than JSON in UTF-8.
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
            near = get_close_matches(name[:_LONGEST_NAME], known, 1)
            meant = f' Did you mean "{near[0]}"?' if near else ""
            short = name[:_LONGEST_NAME]
            listed = ", ".join(sorted(known))
            raise InvalidInput(f'{of} has no field "{short}".{meant} Its fields are: {listed}.', field=short)


def _check_media() -> None:
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    charset = options.get("charset", "utf-8").lower()
    if kind.lower() not in {"", "application/json"} or charset not in {"utf-8", "utf8"}:
        sent = request.headers["Content-Type"][:80]
        raise UnsupportedMedia(
            f"a body of the type {sent!r} can't be read. Send JSON in UTF-8 with the header "
            "Content-Type: application/json (with curl: -H 'Content-Type: application/json')."
        )
    coding = request.headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raise UnsupportedMedia(f"a body with Content-Encoding {coding[:80]!r} can't be read. Send it uncompressed.")


def _received(limit: int, deadline: float) -> bytes:
    declared = request.content_length
    if declared is not None and declared > limit:
        raise TooLarge(f"the body has {declared} bytes; at most {limit} are allowed. Send several shorter requests.")
    stream, connection = request.environ["wsgi.input"], request.environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        # A client that stops sending would hold its thread for ever.
        connection.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        # Not `request.get_data`: it silently cuts off a longer body without Content-Length.
        data: bytes = stream.read(limit + 1 if declared is None else declared)
    except TimeoutError as error:
        raise SlowBody("the body did not arrive in time. Send the request again.") from error
    except Exception as error:  # (the server has an error of its own for each kind of broken body)
        raise IncompleteBody(f"the body breaks off ({type(error).__name__}). Send the request again.") from error
    finally:
        if isinstance(connection, socket.socket):
            connection.settimeout(None)
    if time.monotonic() > deadline:
        raise SlowBody("the body arrived too slowly. Send the request again, or a shorter one.")
    if len(data) > limit:
        raise TooLarge(f"the body has more than {limit} bytes. Send several shorter requests.")
    if declared is not None and len(data) < declared:
        raise IncompleteBody(f"the body breaks off after {len(data)} of {declared} bytes. Send the request again.")
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
