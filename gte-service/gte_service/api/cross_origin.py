"""Lets pages of other origins ask from a browser, if the operator says whose."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from flask_cors import CORS

from gte_service.api.headers import REQUEST_ID, SERVER_TIMING

# Seconds for which a browser need not ask again; more than two hours no browser believes.
_MAX_AGE = 7200


def install(app: Flask, origins: Sequence[str]) -> None:
    """Allow `origins` (`*` is all of them) every address of `app`; none allows nothing."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", REQUEST_ID],
            expose_headers=[REQUEST_ID, SERVER_TIMING, "Retry-After"],
            max_age=_MAX_AGE,
            # The same answer for all origins can be kept for all of them.
            send_wildcard="*" in origins,
        )
