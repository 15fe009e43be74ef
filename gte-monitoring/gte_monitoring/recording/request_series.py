"""Counts a finished request by one store of eight bytes; every metric that counts requests is made from these series.

A series holds the requests of one method, path, HTTP status, task, outcome and latency bucket. A worker that is killed
has therefore counted a request in all metrics or in none: the requests, the errors, the buckets of both histograms and
the HTTP totals can't disagree. `exposition.request_families` adds the series up when they are asked for.
"""

from __future__ import annotations

import bisect

from prometheus_client import CollectorRegistry, Counter

from gte_monitoring.contract import FLASK_BOUNDS, LATENCY_BOUNDS

# Names inside the files; they are not exposed. Volumes of earlier versions hold them, so they stay as they are.
REQUESTS = "gte_cell_requests_total"
SECONDS = "gte_cell_seconds_total"
LABELS = ("method", "path", "http_status", "task_type", "status", "reason")
# Every bound of either histogram, so that both can be made from these series.
BOUNDS = tuple(sorted({*LATENCY_BOUNDS, *FLASK_BOUNDS}))
LE = (*map(repr, BOUNDS), "+Inf")

LabelValues = tuple[str, ...]


class RequestSeries:
    """The series of a worker. Each is looked up once and then kept; there are as many as kinds of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make the metric objects, without any series."""
        self._requests = Counter(REQUESTS, "Finished requests.", (*LABELS, "le"), registry=registry)
        self._seconds = Counter(SECONDS, "Their seconds.", LABELS, registry=registry)
        self._children: dict[tuple[LabelValues, int], tuple[Counter, Counter]] = {}

    def add(self, labels: LabelValues, seconds: float) -> None:
        """Count a finished request.

        Args:
            labels: the values of `LABELS`; task type, status and reason are "" for a request that is no task.
            seconds: from its arrival to its answer.
        """
        bucket = bisect.bisect_left(BOUNDS, seconds)
        children = self._children.get((labels, bucket))
        if children is None:
            children = self._requests.labels(*labels, LE[bucket]), self._seconds.labels(*labels)
            self._children[labels, bucket] = children
        total, duration = children
        # The time first: only an average is wrong when the worker is killed between the two.
        duration.inc(seconds)
        total.inc()
