"""Knows what fires now: what Alertmanager says, and as of when."""

import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final

from alert_inbox.errors import InvalidPayload
from alert_inbox.payload import Document, check_alert
from alert_inbox.watchdog import WATCHDOG

log = logging.getLogger(__name__)

# How often Alertmanager is asked, how long it may take, in seconds; and after how many failures its answer is old.
_PERIOD: Final = 5.0
_TIMEOUT: Final = 5.0
_PATIENCE: Final = 3
_LARGEST_ANSWER: Final = 16_777_216
_QUERY: Final = "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true"


@dataclass(frozen=True)
class Firing:
    """An alert that fires: `document` has the form that a notification gives it."""

    document: Document
    muted: str
    """`silenced`, `inhibited`, or empty if Alertmanager tells of it."""
    unconfirmed: bool = False
    """Whether Alertmanager has dropped it while monitoring was silent, which may be for want of news alone."""


@dataclass(frozen=True)
class FiringNow:
    """What fires, and when Alertmanager said so (UTC; None: it has not answered since the start)."""

    alerts: tuple[Firing, ...] = ()
    as_of: datetime | None = None
    is_old: bool = True
    """Whether Alertmanager doesn't answer now."""


class FiringWatch(threading.Thread):
    """Asks Alertmanager again and again. `now` may be called from any thread."""

    def __init__(self, url: str, is_silent: Callable[[], bool]) -> None:
        """Take what is needed; `begin` begins.

        Args:
            url: Alertmanager's address, for a program beside it; if empty, nobody is asked.
            is_silent: whether the watchdog is silent.
        """
        super().__init__(name="firing", daemon=True)
        self._url = url
        self._is_silent = is_silent
        self._now = FiringNow()
        self._failures = 0

    def begin(self) -> None:
        """Ask from now on."""
        if self._url:
            self.start()

    def now(self) -> FiringNow:
        """Return what is known."""
        return self._now

    def run(self) -> None:
        while True:
            try:
                self._take(_ask(self._url + _QUERY))
            except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError, InvalidPayload) as error:
                self._failures += 1
                if self._failures == _PATIENCE:
                    log.warning("Alertmanager doesn't say what fires, %s: %s", self._url, error)
                self._now = replace(self._now, is_old=self._failures >= _PATIENCE or not self._now.as_of)
            time.sleep(_PERIOD)

    def _take(self, alerts: list[Firing]) -> None:
        if self._failures >= _PATIENCE:
            log.info("Alertmanager says again what fires")
        self._failures = 0
        if self._is_silent():
            named = {one.document["fingerprint"] for one in alerts}
            dropped = [one for one in self._now.alerts if one.document["fingerprint"] not in named]
            alerts = alerts + [replace(one, unconfirmed=True) for one in dropped]
        self._now = FiringNow(tuple(alerts), datetime.now(UTC), is_old=False)


def _ask(url: str) -> list[Firing]:
    # No proxy from the environment: Alertmanager is a neighbour.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_TIMEOUT) as answer:
        body = answer.read(_LARGEST_ANSWER + 1)
    if len(body) > _LARGEST_ANSWER:
        raise ValueError(f"its answer has more than {_LARGEST_ANSWER} bytes")
    alerts = [_firing(one) for one in json.loads(body)]
    # The watchdog always fires.
    return [one for one in alerts if one.document["labels"].get("alertname") != WATCHDOG]


def _firing(one: dict[str, Any]) -> Firing:
    fields = ("labels", "annotations", "startsAt", "generatorURL", "fingerprint")
    document = {"status": "firing", "fingerprint": "", **{name: one[name] for name in fields if name in one}}
    check_alert(document, "alert")
    status = one["status"]
    muted = "silenced" if status["silencedBy"] else "inhibited" if status["inhibitedBy"] else ""
    return Firing(document, muted)
