"""The inbox's own metrics. There is one worker process, so counts need no merging."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from alert_inbox.errors import StoreError
from alert_inbox.outbox import Standing
from alert_inbox.payload import STATUSES
from alert_inbox.targets import Target
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
            "Notifications answered with an error: invalid (400, lost), token (401, lost) or store (503, sent again).",
            ["reason"],
            registry=self._registry,
        )
        self.messages = Counter(
            "alert_inbox_messages",
            "Attempts to send a message: sent, refused (no repeat will mend it) or failed (repeated).",
            ["target", "outcome"],
            registry=self._registry,
        )
        self.notify_file_faults = Gauge(
            "alert_inbox_notify_file_faults",
            "Lines of the file of targets that can't be used.",
            registry=self._registry,
        )
        self.heartbeats = Counter(
            "alert_inbox_heartbeats",
            "Heartbeats due: sent, failed (no answer) or withheld (something is wrong here).",
            ["outcome"],
            registry=self._registry,
        )
        # Every series exists from the start: 0 is not "absent".
        for status in STATUSES:
            self.notifications.labels(status)
        for reason in ("invalid", "token", "store"):
            self.refused.labels(reason)
        for outcome in ("sent", "failed", "withheld"):
            self.heartbeats.labels(outcome)
        self._registry.register(_StoredCollector(count_stored))
        self._registry.register(_WatchdogCollector(watchdog))

    def add_target(self, name: str) -> None:
        """Let the series of a target exist."""
        for outcome in ("sent", "refused", "failed"):
            self.messages.labels(name, outcome)

    def add_outbox(self, standings: Callable[[], list[tuple[Target, Standing]]]) -> None:
        """Show how each target stands."""
        self._registry.register(_OutboxCollector(standings))

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


class _OutboxCollector(Collector):
    def __init__(self, standings: Callable[[], list[tuple[Target, Standing]]]) -> None:
        self._standings = standings

    def collect(self) -> Iterable[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("alert_inbox_waiting_messages", "News that waits to be sent.", labels=["target"])
        oldest = GaugeMetricFamily(
            "alert_inbox_oldest_waiting_seconds",
            "How long the oldest unsent news has waited.",
            labels=["target"],
        )
        refuses = GaugeMetricFamily(
            "alert_inbox_target_refuses",
            "1 if the last message was refused in a way that no repeat will mend, else 0.",
            labels=["target"],
        )
        try:
            for target, standing in self._standings():
                name, since = target.name, standing.oldest
                waiting.add_metric([name], standing.waiting)
                oldest.add_metric([name], max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0)
                refuses.add_metric([name], standing.refuses)
        except StoreError:
            return
        yield waiting
        yield oldest
        yield refuses
