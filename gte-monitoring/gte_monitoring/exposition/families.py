"""Makes an entry of the contract from plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gte_monitoring.contract import Metric


def family(entry: Metric, samples: Iterable[tuple[Sequence[str], float]] | float) -> Family:
    """A counter or gauge.

    Args:
        entry: of the contract.
        samples: label values and value of each sample; of a metric without labels, its value.
    """
    kind = CounterMetricFamily if entry.kind == "counter" else GaugeMetricFamily
    made = kind(entry.name, entry.help, labels=entry.label_names)
    for labels, value in samples if isinstance(samples, Iterable) else [((), samples)]:
        made.add_metric(labels, value)
    return made
