"""The container's health check: healthy when the model has answered, unhealthy at once when that can't happen.

While the model is fetched or loaded the check waits, so that `docker compose up --wait` waits with it however long
the download takes, and still ends at once when the model folder is missing.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request

from gte_service.settings import Settings

_TRANSITIONAL = frozenset({"starting", "downloading", "preparing", "retrying", "prepared", "loading"})
# The server opens its port within this time, or something is wrong.
UNREACHABLE_SECONDS = 30.0
_PROBE_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.5


def check(settings: Settings) -> tuple[bool, str]:
    """Wait through the states that pass by themselves.

    Returns:
        whether the service is ready, and the last thing it said.
    """
    address = f"http://127.0.0.1:{settings.port}/readyz"
    reached = time.monotonic()
    while True:
        try:
            state, said = _ask(address)
            reached = time.monotonic()
        except (OSError, ValueError, http.client.HTTPException) as error:
            state, said = "", f"{address} does not answer: {error}"
            if time.monotonic() - reached > UNREACHABLE_SECONDS:
                return False, said
        if state == "ready":
            return True, said
        if state and state not in _TRANSITIONAL:
            return False, said
        time.sleep(_POLL_SECONDS)


def _ask(address: str) -> tuple[str, str]:
    try:
        with urllib.request.urlopen(address, timeout=_PROBE_TIMEOUT_SECONDS) as answer:  # noqa: S310 (always http)
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            body = json.load(error)
    return str(body["status"]), f"{body['status']}: {body['detail']}"
