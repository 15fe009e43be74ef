"""What can be chosen at the top of a dashboard."""

from __future__ import annotations

from grafana.boards.model import PROMETHEUS, Json
from grafana.boards.texts import Texts

JOB = 'job=~"$job"'
TASK = 'task_type=~"$task_type"'
INSTANCE = 'instance=~"$instance"'
HOST = 'instance=~"$host"'


_SEVERAL: Json = {
    "multi": True,
    "includeAll": True,
    # Instead of a list of all names, which one that appears later would not be in.
    "allValue": ".*",
    "current": {"text": ["All"], "value": ["$__all"]},
}


def data_source(texts: Texts) -> Json:
    """Which Prometheus. Its value is written out: the first load would ask before it has been found."""
    return {
        "name": "datasource",
        "label": texts("variables")["datasource"],
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"},
        "options": [],
        "refresh": 1,
        "regex": "",
        "hide": 0,
    }


def job(texts: Texts, *, several: bool = True) -> Json:
    """Which service, of those that count requests by task; one alone where its figures can't be added up."""
    one = _query("job", texts("variables")["job"], "label_values(gte_task_requests_total, job)")
    return one | _SEVERAL if several else one


def task_type(texts: Texts) -> Json:
    """Which tasks of the service."""
    return _labels(
        "task_type", texts("variables")["task_type"], f"label_values(gte_task_requests_total{{{JOB}}}, task_type)"
    )


def instance(texts: Texts) -> Json:
    """Which replicas of the service."""
    return _labels(
        "instance", texts("variables")["instance"], f"label_values(gte_task_requests_total{{{JOB}}}, instance)"
    )


def host(texts: Texts) -> Json:
    """Which machines."""
    return _labels("host", texts("variables")["host"], "label_values(node_load1, instance)")


def revision(name: str, label: str, expr: str) -> Json:
    """One revision of the model, found by a query whose first answer has it as a label."""
    return _query(name, label, f"query_result({expr})") | {"regex": '/revision="([^"]*)"/', "sort": 0}


def _labels(name: str, label: str, definition: str) -> Json:
    return _query(name, label, definition) | _SEVERAL


def _query(name: str, label: str, definition: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": definition,
        "query": {"query": definition, "refId": name},
        "options": [],
        # Also when the time changes.
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "hide": 0,
    }
