"""The inbox's own metrics. There is one worker process, so counts need no merging."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from alert_inbox.errors import StoreError
from alert_inbox.payload import STATUSES
from alert_inbox.watchdog import WatchdogState


class Metrics:
    """The inbox's metrics, in a registry of their own."""

    def __init__(self, count_stored: Callable[[], int], watchdog: Callable[[], WatchdogState]) -> None:
        self._registry = CollectorRegistry()
        self.notifications = Counter(
            "alert_inbox_notifications",
            "Notifications stored since the start; a retry of a stored one is not counted again.",
            ["status"],
            registry=self._registry,
        )
        self.refused = Counter(
            "alert_inbox_refused_notifications",
            "Notifications answered with an error: invalid (400, lost) or store (503, sent again).",
            ["reason"],
            registry=self._registry,
        )
        # Every series exists from the start: 0 is not "absent".
        for status in STATUSES:
            self.notifications.labels(status)
        for reason in ("invalid", "store"):
            self.refused.labels(reason)
        self._registry.register(_StoredCollector(count_stored))
        self._registry.register(_WatchdogCollector(watchdog))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that the Accept header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _StoredCollector(Collector):
    def __init__(self, count_stored: Callable[[], int]) -> None:
        self._count_stored = count_stored

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("alert_inbox_stored_notifications", "Notifications in the database now.")
        # When the database can't be read, this metric is absent and the others are still served.
        try:
            family.add_metric([], self._count_stored())
        except StoreError:
            return
        yield family


class _WatchdogCollector(Collector):
    def __init__(self, watchdog: Callable[[], WatchdogState]) -> None:
        self._watchdog = watchdog

    def collect(self) -> Iterable[GaugeMetricFamily]:
        state = self._watchdog()
        yield GaugeMetricFamily(
            "alert_inbox_watchdog_silent", "1 if the watchdog has stayed away for too long, else 0.", state.silent
        )
        # Absent before the first time.
        if state.heard_at is not None:
            yield GaugeMetricFamily(
                "alert_inbox_watchdog_heard_timestamp_seconds",
                "When the watchdog was heard last, in Unix time.",
                state.heard_at.timestamp(),
            )
