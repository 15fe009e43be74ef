"""The container's health check: healthy when the model has answered, unhealthy at once when it can't.

The check waits while the model is obtained, so that `docker compose up --wait` waits however long the download takes,
and still ends at once when the model folder is missing. Loading a model takes seconds: what takes longer hangs.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from gte_service.settings import LOADS_MAY_TAKE, Settings

_TRANSITIONAL = frozenset({"starting", "downloading", "preparing", "retrying", "prepared", "loading"})
# Nothing is downloaded or converted meanwhile.
_BRIEF = frozenset({"starting", "prepared", "loading"})
# A server that hasn't opened its port within this time has failed.
UNREACHABLE_SECONDS = 30.0
_PROBE_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.5


def check(settings: Settings) -> tuple[bool, str]:
    """Wait until the service is ready, or is in a state that it doesn't leave by itself.

    Returns:
        whether the service is ready, and its state with details.
    """
    address = f"http://127.0.0.1:{settings.port}/readyz"
    bound = LOADS_MAY_TAKE * settings.hang_seconds + UNREACHABLE_SECONDS
    reached = busy = time.monotonic()
    while True:
        state, description = _ask(address)
        if state:
            reached = time.monotonic()
        elif time.monotonic() - reached > UNREACHABLE_SECONDS:
            return False, description
        if state == "ready":
            return True, description
        if state and state not in _TRANSITIONAL:
            return False, description
        if state and state not in _BRIEF:
            busy = time.monotonic()
        if time.monotonic() - busy > bound:
            return False, f"{description}, for over {bound:.0f} s: it hangs"
        time.sleep(_POLL_SECONDS)


def now(settings: Settings) -> tuple[bool, str]:
    """Ask once, without waiting: whether the service is ready, and its state with details."""
    state, description = _ask(f"http://127.0.0.1:{settings.port}/readyz")
    return state == "ready", description


def _ask(address: str) -> tuple[str, str]:
    """The state, empty if there is no answer, and a description of it."""
    try:
        body = _readiness(address)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return "", f"{address} does not answer: {error}"
    return str(body["status"]), f"{body['status']}: {body['detail']}"


def _readiness(address: str) -> dict[str, Any]:
    try:
        # Docker may have put a proxy into the container's environment, which can't reach this address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=_PROBE_TIMEOUT_SECONDS) as answer:
            body: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            body = json.load(error)
    return body
