"""Asks Prometheus: queries, and when the metrics of gte-service were last read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from smoke.answers import at, require, short
from smoke.client import Service
from smoke.counters import Reading, Series
from smoke.deadline import Deadline
from smoke.errors import CheckError


def data(prometheus: Service, path: str, deadline: Deadline) -> Any:
    """The `data` of an answer of Prometheus' API; raises CheckError."""
    answer = prometheus.get(path, deadline)
    content = answer.json()
    if answer.status != 200 or at(content, "status", kind=str) != "success":
        raise CheckError(f"{answer.asked}: status {answer.status}: {short(content)}")
    return at(content, "data", kind=object)


def query(prometheus: Service, expression: str, deadline: Deadline, at_time: float | None = None) -> Reading:
    """The result of an instant query, by series; raises CheckError."""
    asked = {"query": expression} | ({} if at_time is None else {"time": f"{at_time:.3f}"})
    found = data(prometheus, f"/api/v1/query?{urlencode(asked)}", deadline)
    kind = at(found, "resultType", kind=str)
    require(kind == "vector", f"{expression} gives a {kind} instead of a vector")
    reading: dict[Series, float] = {}
    for item in at(found, "result", kind=list):
        labels = dict(at(item, "metric", kind=dict))
        reading[Series.of(labels.pop("__name__", ""), **labels)] = float(at(item, "value", 1, kind=str))
    return reading


def one_value(prometheus: Service, expression: str, deadline: Deadline, at_time: float | None = None) -> float:
    """The value of a query that gives one series; raises CheckError."""
    values = list(query(prometheus, expression, deadline, at_time).values())
    if len(values) != 1:
        raise CheckError(f"{expression} gives {len(values)} series instead of 1")
    return values[0]


def clock(prometheus: Service, deadline: Deadline) -> float:
    """The time now in seconds by Prometheus' own clock, with which it stamps its samples."""
    return one_value(prometheus, "vector(time())", deadline)


def read_after(prometheus: Service, selector: str, moment: float, deadline: Deadline, expression: str) -> Reading:
    """The result of a query once every series of `selector` has been scraped after `moment`.

    Replicas are scraped at different times: only when the oldest sample is young enough does a sum
    over them hold all that has happened before `moment`.

    Raises:
        CheckError: not yet, or the query fails.
    """
    now = clock(prometheus, deadline)
    # Time stamps first: a scrape between the two queries makes the values younger than it says, never older.
    oldest = one_value(prometheus, f"min(timestamp({selector}))", deadline, now)
    require(
        oldest > moment,
        f"the last scrape of {selector} was {moment - oldest:.1f} s too early; is its target up?",
    )
    return query(prometheus, expression, deadline, now)
