"""The service's metric contract, for what stands outside the service: documents, rules and dashboards."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gte_monitoring.contract import CONTRACT, Label, Metric
else:

    def _load() -> Any:
        # By path: the module needs nothing but the standard library, its package needs the service's requirements.
        path = Path(__file__).resolve().parents[1] / "gte-monitoring" / "gte_monitoring" / "contract.py"
        spec = importlib.util.spec_from_file_location("metric_contract", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    _module = _load()
    CONTRACT, Label, Metric = _module.CONTRACT, _module.Label, _module.Metric

__all__ = ["CONTRACT", "Label", "Metric", "bound_label"]


def bound_label(metric: Metric) -> Label:
    """The label `le` of a histogram's buckets, with the bounds as Prometheus 3 writes them."""
    return Label("le", (*map(repr, metric.bounds), "+Inf"))
