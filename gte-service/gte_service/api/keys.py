"""Serves only who knows an API key, if there are any: /predict and /v1, not the page, the probes and the documents."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from flask import Flask, request

from gte_service.errors import Unauthorized

_GUARDED = ("/predict", "/v1/")


def install(app: Flask, keys: Sequence[str]) -> None:
    """Ask for one of `keys` in every request to a guarded address of `app`; without keys for none."""
    known = [key.encode() for key in keys]

    def guard() -> None:
        # A browser asks without the key whether it may send the key.
        if request.path.startswith(_GUARDED) and request.method != "OPTIONS":
            sent = _sent()
            # Every key is compared, whichever is right: the time taken says nothing about them.
            matches = [hmac.compare_digest(one, key) for one in sent for key in known]
            if not any(matches):
                what = "the API key is not known here" if sent else "an API key is missing"
                raise Unauthorized(
                    f"{what}. Send one that the operator of this service gave you as Authorization: Bearer <key>, or "
                    "as X-API-Key: <key>."
                )

    if known:
        app.before_request(guard)


def _sent() -> list[bytes]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    candidates = (token.strip() if scheme.lower() == "bearer" else "", request.headers.get("X-API-Key", "").strip())
    return [one.encode("utf-8", "replace") for one in candidates if one]
