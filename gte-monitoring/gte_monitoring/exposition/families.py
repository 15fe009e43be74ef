"""Makes the contract's metrics from plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gte_monitoring.contract import metric

_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily)
Samples = Iterable[tuple[Sequence[str], float]]


def gauge(name: str, value: float) -> GaugeMetricFamily:
    """A gauge of the contract without labels."""
    return gauges(name, [((), value)])


def gauges(name: str, samples: Samples) -> GaugeMetricFamily:
    """A gauge of the contract, from label values and values."""
    return _filled(GaugeMetricFamily, name, samples)


def counter(name: str, samples: Samples) -> CounterMetricFamily:
    """A counter of the contract, from label values and values."""
    return _filled(CounterMetricFamily, name, samples)


def _filled(kind: type[_Family], name: str, samples: Samples) -> _Family:
    entry = metric(name)
    family = kind(name, entry.help, labels=entry.label_names)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
