"""The service's metric contract, for what stands outside the service: documents, rules and dashboards."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Neither package need be installed: their contracts import nothing but the standard library.
sys.path[:0] = [str(ROOT / "gte-monitoring"), str(ROOT / "gte-service")]

from gte_monitoring.contract import Label, Metric  # noqa: E402
from gte_service.contract import BY_NAME, CONTRACT  # noqa: E402

__all__ = ["BY_NAME", "CONTRACT", "Label", "Metric", "bound_label"]


def bound_label(metric: Metric) -> Label:
    """The label `le` of a histogram's buckets, with the bounds as Prometheus 3 writes them."""
    return Label("le", (*map(repr, metric.bounds), "+Inf"))
