"""Allows browsers to send requests from pages of the origins that the operator lists."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from flask_cors import CORS

from gte_service.api.headers import REQUEST_ID, SERVER_TIMING

# Seconds for which a browser may cache a preflight answer; browsers cap this at two hours.
_MAX_AGE = 7200


def install(app: Flask, origins: Sequence[str]) -> None:
    """Allow `origins` (`*` means all) to use every address of `app`; an empty list allows none."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", REQUEST_ID],
            expose_headers=[REQUEST_ID, SERVER_TIMING, "Retry-After"],
            max_age=_MAX_AGE,
            # An answer that is the same for all origins can be cached for all of them.
            send_wildcard="*" in origins,
        )
