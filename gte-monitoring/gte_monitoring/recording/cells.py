"""One finished request is one number: it adds 1 to one cell, and everything that counts requests is a sum of cells.

A cell holds the requests of one method, path, HTTP status, task, outcome and span of latency. That is a single store
of eight bytes, so a worker that is killed has counted a request in all metrics or in none: the requests, the errors,
the buckets of both histograms and the HTTP totals can't disagree. The sums are made when they are asked for.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter
from prometheus_client import Metric as Family
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from gte_monitoring.contract import FLASK_BOUNDS, LATENCY_BOUNDS, REASONS, STATUSES, Metric, metric
from gte_monitoring.exposition.families import counter

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


class Cell:
    """What the requests of a cell are counted as: the label values that they have in each metric.

    Attributes:
        bound: of its span of latency, "" for the seconds of all spans.
        http: in the counter of HTTP requests.
        duration: in the histogram of all requests.
        status: in the counter of a task's requests, None for what is no task.
        reason: in the counter of a task's errors, None for what is no error.
        latency: in the histogram of a task's requests, None for what is no task.
    """

    __slots__ = ("bound", "duration", "http", "latency", "reason", "status")

    def __init__(self, labels: Iterable[tuple[str, str]]) -> None:
        """Sort the labels that its file gives it."""
        found = dict(labels)
        method, path, http_status, task, status, reason = (found[name] for name in _OF_REQUEST)
        self.bound = found.get("le", "")
        self.http = method, http_status
        self.duration = method, path, http_status
        self.status = (task, status) if status else None
        self.reason = (task, reason) if reason else None
        self.latency = (task,) if status else None


def families(
    requests: Iterable[tuple[Cell, float]], seconds: Iterable[tuple[Cell, float]], task_types: Iterable[str]
) -> Iterable[Family]:
    """The contract's metrics that are sums of cells.

    Args:
        requests: how many, by cell.
        seconds: their seconds, by cell; its bound doesn't matter.
        task_types: tasks whose series exist even if no request came, each status and reason at 0.
    """
    tasks = list(task_types)
    by_status: dict[Labels, float] = {(task, status): 0.0 for task in tasks for status in STATUSES}
    by_reason: dict[Labels, float] = {(task, reason): 0.0 for task in tasks for reason in REASONS}
    by_http: dict[Labels, float] = defaultdict(float)
    latency = _Histograms(metric("gte_task_latency_seconds"), ((task,) for task in tasks))
    duration = _Histograms(metric("flask_http_request_duration_seconds"), ())
    for cell, count in requests:
        by_http[cell.http] += count
        duration.count(cell.duration, cell.bound, count)
        if cell.status:
            by_status[cell.status] = by_status.get(cell.status, 0.0) + count
        if cell.latency:
            latency.count(cell.latency, cell.bound, count)
        if cell.reason:
            by_reason[cell.reason] = by_reason.get(cell.reason, 0.0) + count
    for cell, total in seconds:
        duration.add(cell.duration, total)
        if cell.latency:
            latency.add(cell.latency, total)
    yield counter("gte_task_requests_total", by_status.items())
    yield counter("gte_task_errors_total", by_reason.items())
    yield latency.family()
    yield duration.family()
    yield counter("flask_http_request_total", by_http.items())


class _Histograms:
    """One histogram for each set of label values."""

    def __init__(self, entry: Metric, labels: Iterable[Labels]) -> None:
        self._entry = entry
        self._bounds = _bounds(entry.name)
        self._counts: dict[Labels, list[float]] = {each: [0.0] * len(self._bounds.le) for each in labels}
        self._sums: dict[Labels, float] = defaultdict(float)

    def count(self, labels: Labels, le: str, count: float) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0.0] * len(self._bounds.le)
        counts[self._bounds.bucket[le]] += count

    def add(self, labels: Labels, seconds: float) -> None:
        self._sums[labels] += seconds

    def family(self) -> HistogramMetricFamily:
        name = self._entry.name
        family = HistogramMetricFamily(name, self._entry.help)
        for labels, counts in self._counts.items():
            own, of_buckets = _sample_labels(name, labels)
            family.samples += [
                Sample(f"{name}_bucket", each, count)
                for each, count in zip(of_buckets, accumulate(counts), strict=True)
            ]
            family.samples.append(Sample(f"{name}_count", own, sum(counts)))
            family.samples.append(Sample(f"{name}_sum", own, self._sums[labels]))
        return family


class _Bounds(NamedTuple):
    """The bounds of a histogram as they are written, and which of its buckets holds a cell."""

    le: list[str]
    bucket: dict[str, int]


@cache
def _bounds(name: str) -> _Bounds:
    bounds = [*metric(name).bounds, float("inf")]
    return _Bounds(
        [floatToGoString(bound) for bound in bounds],  # type: ignore[no-untyped-call]
        {le: bisect.bisect_left(bounds, upper) for le, upper in _UPPER.items()},
    )


@cache
def _sample_labels(name: str, values: Labels) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The labels of a histogram's sum, and those of its buckets: the same at each scrape."""
    own = dict(zip(metric(name).label_names, values, strict=True))
    return own, [own | {"le": le} for le in _bounds(name).le]
