"""Which metrics rules and dashboards may ask for: the service's contract, and those of upstream programs."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

from prometheus.tests.containers import ROOT
from prometheus.tests.server import Server, groupings, made_labels, selectors

# Prometheus gives these labels to each target.
_TARGET_LABELS = {"job", "instance"}
# Made by Prometheus itself, or by programs that are not ours.
_UPSTREAM = {"up", "ALERTS", "ALERTS_FOR_STATE"}
_UPSTREAM_PREFIXES = ("node_", "prometheus_", "alertmanager_", "grafana_")


def _contract() -> dict[str, set[str]]:
    # By path: the module needs nothing but the standard library, its package needs the service's requirements.
    path = ROOT / "gte-service" / "gte_service" / "monitoring" / "contract.py"
    spec = importlib.util.spec_from_file_location("metric_contract", path)
    assert spec and spec.loader, path
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    series: dict[str, set[str]] = {}
    for metric in module.CONTRACT:
        labels = set(metric.label_names) | _TARGET_LABELS
        if metric.kind == "histogram":
            series |= {
                f"{metric.name}_bucket": labels | {"le"},
                f"{metric.name}_sum": labels,
                f"{metric.name}_count": labels,
            }
        else:
            series[metric.name] = labels
    return series


CONTRACT = _contract()


def faults(server: Server, expression: str) -> list[str]:
    """What is wrong with the metrics and labels that an expression asks for; empty if nothing is.

    Raises:
        ValueError: it is no PromQL.
    """
    parsed = server.parse(expression)
    recorded = recorded_labels(server)
    found: list[str] = []
    known_labels = set(made_labels(parsed))
    upstream = False
    for selector in selectors(parsed):
        labels = CONTRACT.get(selector.metric) or recorded.get(selector.metric)
        if labels is None:
            upstream = True
            if selector.metric not in _UPSTREAM and not selector.metric.startswith(_UPSTREAM_PREFIXES):
                found.append(f"{selector.metric or selector.matchers} is in no contract and recorded by no rule")
            continue
        known_labels |= labels
        found += [f"{selector.metric} has no label {name}" for name, _, _ in selector.matchers if name not in labels]
    if not upstream:
        found += [f"no metric here has a label {name}" for name in groupings(parsed) if name not in known_labels]
    return found


@cache
def recorded_labels(server: Server) -> dict[str, set[str]]:
    """The labels of each series that the rules record, by name; a quantile uses up `le`."""
    return {rule["name"]: set(groupings(server.parse(rule["query"]))) - {"le"} for rule in server.recordings()}
