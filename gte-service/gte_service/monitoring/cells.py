"""One finished request is one number: it adds 1 to one cell, and everything that counts requests is a sum of cells.

A cell holds the requests of one method, path, HTTP status, task, outcome and span of latency. That is a single store
of eight bytes, so a worker that is killed has counted a request in all metrics or in none: the requests, the errors,
the buckets of both histograms and the HTTP totals can't disagree. The sums are made when they are asked for.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter
from prometheus_client import Metric as Family
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from gte_service.monitoring.contract import FLASK_BOUNDS, LATENCY_BOUNDS, REASONS, STATUSES, Metric, metric
from gte_service.monitoring.families import counter

# Names of the files' own; nobody outside sees them.
CELL_REQUESTS = "gte_cell_requests_total"
CELL_SECONDS = "gte_cell_seconds_total"
_OF_REQUEST = ("method", "path", "http_status", "task_type", "status", "reason")
# Every bound of either histogram is a bound of cells, so both can be made from them.
_BOUNDS = sorted({*LATENCY_BOUNDS, *FLASK_BOUNDS})
_LE = [*map(floatToGoString, _BOUNDS), "+Inf"]
_UPPER = dict(zip(_LE, [*_BOUNDS, float("inf")], strict=True))

Labels = tuple[str, ...]


class Cells:
    """A worker's cells. A child is looked up once and then kept: as many as there are kinds of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make the metric objects, without any cell."""
        self._requests = Counter(CELL_REQUESTS, "Finished requests.", (*_OF_REQUEST, "le"), registry=registry)
        self._seconds = Counter(CELL_SECONDS, "Their seconds.", _OF_REQUEST, registry=registry)
        self._children: dict[tuple[Labels, int], tuple[Counter, Counter]] = {}

    def add(self, labels: Labels, seconds: float) -> None:
        """Count a finished request.

        Args:
            labels: method, path, HTTP status, and of a task also its type, status and reason, otherwise "".
            seconds: from its arrival to its answer.
        """
        bucket = bisect.bisect_left(_BOUNDS, seconds)
        children = self._children.get((labels, bucket))
        if children is None:
            children = self._requests.labels(*labels, _LE[bucket]), self._seconds.labels(*labels)
            self._children[labels, bucket] = children
        total, duration = children
        # The time first: nothing but an average is wrong when the worker is killed here.
        duration.inc(seconds)
        total.inc()


def labels_of(labels: Iterable[tuple[str, str]]) -> Labels:
    """The label values of a cell in their order, with the bound last where there is one."""
    found = dict(labels)
    return tuple(found[name] for name in (*_OF_REQUEST, "le") if name in found)


def families(
    requests: Mapping[Labels, float], seconds: Mapping[Labels, float], task_types: Iterable[str]
) -> Iterable[Family]:
    """The contract's metrics that are sums of cells.

    Args:
        requests: how many, by the labels of a cell: method, path, HTTP status, task, status, reason, bound.
        seconds: their seconds, by the same labels without the bound.
        task_types: tasks whose series exist even if no request came, each status and reason at 0.
    """
    tasks = list(task_types)
    by_status: dict[Labels, float] = {(task, status): 0.0 for task in tasks for status in STATUSES}
    by_reason: dict[Labels, float] = {(task, reason): 0.0 for task in tasks for reason in REASONS}
    by_http: dict[Labels, float] = defaultdict(float)
    latency = _Histograms(metric("gte_task_latency_seconds"), ((task,) for task in tasks))
    duration = _Histograms(metric("flask_http_request_duration_seconds"), ())
    for (method, path, http_status, task, status, reason, bound), count in requests.items():
        by_http[method, http_status] += count
        duration.count((method, path, http_status), bound, count)
        if status:
            by_status[task, status] = by_status.get((task, status), 0.0) + count
            latency.count((task,), bound, count)
        if reason:
            by_reason[task, reason] = by_reason.get((task, reason), 0.0) + count
    for (method, path, http_status, task, status, _), total in seconds.items():
        duration.add((method, path, http_status), total)
        if status:
            latency.add((task,), total)
    yield counter("gte_task_requests_total", by_status.items())
    yield counter("gte_task_errors_total", by_reason.items())
    yield latency.family()
    yield duration.family()
    yield counter("flask_http_request_total", by_http.items())


class _Histograms:
    """One histogram for each set of label values."""

    def __init__(self, entry: Metric, labels: Iterable[Labels]) -> None:
        self._entry = entry
        bounds = [*entry.bounds, float("inf")]
        self._le = [floatToGoString(bound) for bound in bounds]  # type: ignore[no-untyped-call]
        # Which bucket holds a cell.
        self._bucket = {le: bisect.bisect_left(bounds, upper) for le, upper in _UPPER.items()}
        self._counts: dict[Labels, list[float]] = {each: [0.0] * len(bounds) for each in labels}
        self._sums: dict[Labels, float] = defaultdict(float)

    def count(self, labels: Labels, le: str, count: float) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0.0] * len(self._le)
        counts[self._bucket[le]] += count

    def add(self, labels: Labels, seconds: float) -> None:
        self._sums[labels] += seconds

    def family(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(self._entry.name, self._entry.help, labels=self._entry.label_names)
        for labels, counts in self._counts.items():
            buckets = list(zip(self._le, accumulate(counts), strict=True))
            family.add_metric(labels, buckets, self._sums[labels])
        return family
