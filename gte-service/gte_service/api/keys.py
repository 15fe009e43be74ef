"""Requires an API key on /predict and /v1 when keys are configured; the page, the probes and /openapi.json are open."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

from flask import Flask, Request, request

from gte_service.errors import Unauthorized

_GUARDED = ("/predict", "/v1/")


def install(app: Flask, keys: Sequence[str], needs_none: Callable[[Request], bool]) -> None:
    """Require one of `keys` in every request to a guarded address of `app`; without keys, none is required.

    Args:
        app: the app.
        keys: the keys that are known.
        needs_none: says of a request without a key whether it is served all the same.
    """
    known = [key.encode() for key in keys]

    def guard() -> None:
        # A browser's preflight request asks, without the key, whether it may send the key.
        if request.path.startswith(_GUARDED) and request.method != "OPTIONS":
            sent = _sent()
            # Every key is compared, even after a match, so that the time taken reveals nothing.
            matches = [hmac.compare_digest(candidate, key) for candidate in sent for key in known]
            if not any(matches) and not needs_none(request):
                problem = "the API key is not known here" if sent else "an API key is missing"
                raise Unauthorized(
                    f"{problem}. Get one from the operator of this service and send it as Authorization: Bearer <key> "
                    "or as X-API-Key: <key>."
                )

    if known:
        app.before_request(guard)


def _sent() -> list[bytes]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    candidates = (token.strip() if scheme.lower() == "bearer" else "", request.headers.get("X-API-Key", "").strip())
    return [candidate.encode("utf-8", "replace") for candidate in candidates if candidate]
