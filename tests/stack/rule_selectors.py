"""Which series the rules ask for that the running stack does not have: a wrong name would stay silent for ever."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any

from tests.config.server import Selector, selectors
from tests.stack.running import Stack

# Selectors that find nothing on a healthy stack, each with the reason. Written as `written` below does.
_BUSY = "needs 20 requests of a task in five minutes"
_HOUR = "needs an hour of such traffic"
_USE = "needs 50 requests in five minutes and 5 % of the capacity in use"
EXCEPTIONS: Mapping[str, str] = {
    'up{job="grafana"}': "Grafana's image can't be had everywhere",
    'up{job="gateway"}': "needs the gateway, which is an option",
    "job:gte_inference_busy_per_slots:p90_1d": "needs most of a day",
    "job:gte_capacity_use:ratio_rate5m": _USE,
    "job:gte_capacity_use_per_1000_tokens:ratio_rate5m": _USE,
    "job_revision:gte_capacity_use_per_1000_tokens_when_full:ratio_rate5m": "needs 70 % of the capacity in use",
    "job_task_type:gte_task_latency_seconds:p95_rate5m": _BUSY,
    "job_task_type:gte_task_latency_seconds:p95_median1d": _BUSY,
    "job_task_type:gte_task_latency_seconds:p95_deviation": _BUSY,
    "job_task_type:gte_task_latency_seconds:p95_limit": "needs 6 hours of such traffic",
    "job_revision:gte_inference_busy_seconds_per_1000_tokens:ratio_rate5m": _BUSY,
    "job_revision_task_type:gte_task_latency_seconds:p95_rate5m": _BUSY,
    "job_revision:gte_inference_busy_seconds_per_1000_tokens:p90_1d": _HOUR,
    "job_revision_task_type:gte_task_latency_seconds:p95_p90_1d": _HOUR,
    "job_revision:gte_model_info:seen": _HOUR,
    "job_revision:gte_model_info:before": "needs two revisions of the model",
    "alert_inbox_oldest_waiting_seconds": "needs a chat",
    "alert_inbox_target_refuses": "needs a chat",
}


def selectors_without_series(stack: Stack, exceptions: Mapping[str, str] = EXCEPTIONS) -> dict[str, str]:
    """The selectors of the loaded rules that found no series in the last hour, each with the first rule that has it.

    Args:
        stack: with a Prometheus that has evaluated its rules.
        exceptions: selectors that may find nothing. One that no rule has any more is reported too. An alert that exists
            may find nothing too: none has to fire.
    """
    rules = [rule for group in _get(stack, "rules")["groups"] for rule in group["rules"]]
    alerts = {rule["name"] for rule in rules if rule["type"] == "alerting"}
    asked: dict[str, str] = {}
    for rule in rules:
        for selector in selectors(_get(stack, "parse_query", query=rule["query"])):
            if not _names_alerts(selector, alerts):
                asked.setdefault(written(selector), rule["name"])
    missing = {text: name for text, name in asked.items() if text not in exceptions and not _found(stack, text)}
    return missing | {text: "an exception that no rule needs" for text in exceptions if text not in asked}


def _names_alerts(selector: Selector, alerts: Collection[str]) -> bool:
    """Whether a selector asks for alerts that exist, by name or by names with `|` between."""
    named = [value for name, operator, value in selector.matchers if name == "alertname" and operator in {"=", "=~"}]
    return selector.metric == "ALERTS" and bool(named) and set(named[0].split("|")) <= set(alerts)


def written(selector: Selector) -> str:
    """A selector as PromQL, its matchers in the order of the rule: `up{job="gte-service"}`."""
    matchers = ",".join(f"{name}{operator}{json.dumps(value)}" for name, operator, value in selector.matchers)
    return f"{selector.metric}{{{matchers}}}" if matchers else selector.metric


def _found(stack: Stack, selector: str) -> bool:
    return bool(stack.query(f"count(last_over_time({selector}[1h])) > 0"))


def _get(stack: Stack, path: str, **parameters: str) -> Any:
    url = f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    return json.loads(stack.get("PROMETHEUS_PORT", url))["data"]
