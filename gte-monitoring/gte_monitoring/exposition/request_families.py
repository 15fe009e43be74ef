"""Adds the series of finished requests up to the contract's metrics that count requests."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import Metric as Family
from prometheus_client.core import HistogramMetricFamily

from gte_monitoring.contract import GENERAL, REASONS, STATUSES
from gte_monitoring.exposition.families import family
from gte_monitoring.recording.metric_files import Series
from gte_monitoring.recording.request_series import LABELS, LE, REQUESTS, SECONDS, LabelValues


def request_families(series: Iterable[tuple[Series, float]], task_types: Iterable[str]) -> Iterable[Family]:
    """The metrics that count requests.

    Args:
        series: what the files hold of finished requests, and the values; other series are ignored.
        task_types: tasks whose series exist even before their first request, each status and reason at 0.
    """
    tasks = list(task_types)
    by_status: dict[LabelValues, float] = {(task, status): 0.0 for task in tasks for status in STATUSES}
    by_reason: dict[LabelValues, float] = {(task, reason): 0.0 for task in tasks for reason in REASONS}
    by_http: dict[LabelValues, float] = defaultdict(float)
    latency = _Histogram("gte_task_latency_seconds", ((task,) for task in tasks))
    duration = _Histogram("flask_http_request_duration_seconds", ())
    for key, value in series:
        if key.sample not in (REQUESTS, SECONDS):
            continue
        labels = dict(key.labels)
        method, path, http_status, task, status, reason = (labels[name] for name in LABELS)
        if key.sample == SECONDS:
            duration.add((method, path, http_status), value)
            if status:
                latency.add((task,), value)
            continue
        by_http[method, http_status] += value
        duration.count((method, path, http_status), labels["le"], value)
        if status:
            by_status[task, status] = by_status.get((task, status), 0.0) + value
            latency.count((task,), labels["le"], value)
        if reason:
            by_reason[task, reason] = by_reason.get((task, reason), 0.0) + value
    yield family(GENERAL["gte_task_requests_total"], by_status.items())
    yield family(GENERAL["gte_task_errors_total"], by_reason.items())
    yield latency.family()
    yield duration.family()
    yield family(GENERAL["flask_http_request_total"], by_http.items())


class _Histogram:
    """A histogram of the contract, with one set of buckets for each combination of label values."""

    def __init__(self, name: str, labels: Iterable[LabelValues]) -> None:
        self._entry = GENERAL[name]
        bounds = [*self._entry.bounds, float("inf")]
        self._bucket_of = {le: bisect.bisect_left(bounds, float(le)) for le in LE}
        self._le = [*map(repr, self._entry.bounds), "+Inf"]
        self._counts = defaultdict[LabelValues, list[float]](lambda: [0.0] * len(bounds))
        self._sums: dict[LabelValues, float] = defaultdict(float)
        for values in labels:
            self._counts[values] = [0.0] * len(bounds)

    def count(self, labels: LabelValues, le: str, count: float) -> None:
        self._counts[labels][self._bucket_of[le]] += count

    def add(self, labels: LabelValues, seconds: float) -> None:
        self._sums[labels] += seconds

    def family(self) -> HistogramMetricFamily:
        made = HistogramMetricFamily(self._entry.name, self._entry.help, labels=self._entry.label_names)
        for labels, counts in self._counts.items():
            buckets = list(zip(self._le, accumulate(counts), strict=True))
            made.add_metric(labels, buckets, self._sums[labels])
        return made
