"""Hears the watchdog, an alert that always fires, and tells since when it has been silent.

Alertmanager goes on sending an alert for four minutes after Prometheus has died. So the watchdog counts as heard when
its rule was evaluated, which an annotation may say, and not when its message came.
"""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alert_inbox.errors import StoreError
from alert_inbox.store import Store

# The alert's name, and that of its runbook.
WATCHDOG = "Watchdog"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchdogState:
    """Whether monitoring is silent, and when the watchdog was heard last (UTC); None: never."""

    silent: bool
    heard_at: datetime | None


class Watchdog:
    """Knows when the watchdog was heard. Its methods may be called from any thread."""

    def __init__(self, store: Store, silence: timedelta) -> None:
        """Take over what the last process has stored.

        Args:
            store: keeps the time over restarts.
            silence: longer than this without the watchdog is silence; half of it is the grace after a start, because
                Alertmanager could not reach an inbox that was away.

        Raises:
            StoreError: The database can't be read.
        """
        self._store = store
        self._silence = silence
        self._started = time.monotonic()
        self._heard_at = store.watchdog_heard_at()
        # By a clock that nobody sets, once this process has heard it.
        self._heard: float | None = None

    def hear(self, evaluated_at: datetime | None = None) -> None:
        """Note a sign of life.

        Args:
            evaluated_at: when the watchdog's rule was evaluated; None: now.
        """
        now = datetime.now(UTC)
        # Another machine's clock may be ahead of ours.
        self._heard_at = min(now, evaluated_at or now)
        self._heard = time.monotonic() - (now - self._heard_at).total_seconds()
        try:
            self._store.set_watchdog_heard_at(self._heard_at)
        except StoreError as error:
            # Monitoring works: a full disk is no silence. Only a restart would forget it.
            log.warning("the time at which the watchdog was heard is not stored: %s", error)

    def state(self) -> WatchdogState:
        """Return whether it is silent now."""
        return WatchdogState(self._is_silent(), self._heard_at)

    def _is_silent(self) -> bool:
        now, heard_at = time.monotonic(), self._heard_at
        if self._heard is not None:
            return timedelta(seconds=now - self._heard) > self._silence
        running = timedelta(seconds=now - self._started)
        if heard_at is None:
            return running > self._silence
        # A clock that was set back gives a negative age.
        return running > self._silence / 2 and max(running, datetime.now(UTC) - heard_at) > self._silence
