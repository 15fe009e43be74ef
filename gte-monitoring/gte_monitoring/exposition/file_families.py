"""Makes metrics from the values of metric files, and remembers how: series seldom come and never change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric as Family
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from gte_monitoring.exposition.metric_files import Key

Values = Mapping[Key, float]
_KINDS = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "summary": SummaryMetricFamily,
}


@dataclass
class _Histogram:
    """A histogram with one set of label values: which values its samples are made from."""

    labels: dict[str, str]
    buckets: list[tuple[dict[str, str], Key]] = field(default_factory=list)
    sum: Key | None = None


@dataclass(frozen=True)
class _Plan:
    """How the samples of a metric are made from the values with these keys, which all belong to it."""

    keys: dict[Key, None]
    histograms: list[_Histogram]
    others: list[tuple[Key, str, dict[str, str]]]


class FileFamilies:
    """Metrics from values, by the kind that their file is named for."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._plans: dict[tuple[str, str], _Plan] = {}

    def make(self, kind: str, name: str, values: Values) -> Family:
        """A metric.

        Args:
            kind: `counter`, `gauge`, `histogram` or `summary`.
            name: what it is to be called, whatever its files call it.
            values: its own, at least one.
        """
        plan = self._plans.get((kind, name))
        if plan is None or plan.keys.keys() != values.keys():
            plan = self._plans[kind, name] = _plan(kind, name, values)
        family: Family = _KINDS[kind](name, next(iter(values)).help)
        family.samples += [Sample(sample, labels, values[key]) for key, sample, labels in plan.others]
        for histogram in plan.histograms:
            family.samples += _samples(name, histogram, values)
        return family


def _plan(kind: str, name: str, keys: Iterable[Key]) -> _Plan:
    known = dict.fromkeys(keys)
    if kind == "histogram":
        return _Plan(known, list(_histograms(known)), [])
    # What follows the family's name in a file: `_total`, `_created`, or nothing.
    return _Plan(known, [], [(key, name + key.sample[len(key.family) :], dict(key.labels)) for key in known])


def _histograms(keys: Iterable[Key]) -> Iterable[_Histogram]:
    found: dict[tuple[str, ...], _Histogram] = {}
    buckets: dict[tuple[str, ...], dict[float, Key]] = defaultdict(dict)
    for key in keys:
        own = dict(key.labels)
        bound = own.pop("le", "")
        identity = tuple(own.values())
        histogram = found.setdefault(identity, _Histogram(own))
        if bound:
            buckets[identity][float(bound)] = key
        else:
            histogram.sum = key
    for identity, by_bound in buckets.items():
        histogram = found[identity]
        for upper, key in sorted(by_bound.items(), key=lambda item: item[0]):
            le = floatToGoString(upper)  # type: ignore[no-untyped-call]
            histogram.buckets.append((histogram.labels | {"le": le}, key))
        yield histogram


def _samples(name: str, histogram: _Histogram, values: Values) -> Iterator[Sample]:
    """In files each bucket holds only what is in no smaller one."""
    below = 0.0
    for labels, key in histogram.buckets:
        below += values[key]
        yield Sample(f"{name}_bucket", labels, below)
    yield Sample(f"{name}_count", histogram.labels, below)
    yield Sample(f"{name}_sum", histogram.labels, values[histogram.sum] if histogram.sum else 0.0)
