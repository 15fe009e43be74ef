"""The parts of every dashboard as Grafana's JSON model has them: queries, panels, and how they are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

PROMETHEUS: Json = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Query:
    """One question to Prometheus.

    Attributes:
        expr: PromQL.
        legend: name of each series, with `{{label}}` for a label's value.
        now: ask for the present value only. A range would show the last value of a series that has ended.
        format: how the answer is read; `heatmap` turns cumulative buckets into separate ones.
    """

    expr: str
    legend: str = ""
    now: bool = False
    format: Literal["time_series", "table", "heatmap"] = "time_series"

    def model(self, ref_id: str) -> Json:
        """Grafana's model of this query."""
        return {
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": self.expr,
            "format": self.format,
            "instant": self.now,
            "legendFormat": self.legend,
            "range": not self.now,
            "refId": ref_id,
        }


@dataclass(frozen=True)
class Panel:
    """A panel without its place.

    Attributes:
        kind: Grafana's panel type.
        title: what is shown.
        description: what it means, and when to worry.
        queries: what is asked.
        unit: Grafana's id of the unit.
        width: in columns, of 24.
        height: in rows of the grid.
        defaults: the rest of `fieldConfig.defaults`.
        overrides: `fieldConfig.overrides`.
        options: the panel type's own.
        transformations: what happens to the answers before they are shown.
    """

    kind: Literal["timeseries", "stat", "table", "heatmap"]
    title: str
    description: str
    queries: Sequence[Query]
    unit: str
    width: int
    height: int
    defaults: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()

    def model(self, number: int, x: int, y: int) -> Json:
        """Grafana's model of this panel at a place of the grid."""
        return {
            "id": number,
            "type": self.kind,
            # The format of the options. Without it Grafana takes a panel for the oldest kind and migrates it.
            "pluginVersion": "12.0.0",
            "title": self.title,
            "description": self.description,
            "datasource": PROMETHEUS,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [query.model(chr(ord("A") + index)) for index, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": {"unit": self.unit, **self.defaults}, "overrides": list(self.overrides)},
            "options": self.options,
            "transformations": list(self.transformations),
        }


def dashboard(
    uid: str, title: str, description: str, rows: dict[str, Sequence[Panel]], variables: Sequence[Json]
) -> Json:
    """A whole dashboard: rows of panels, each row filled from the left and wrapped at the grid's width.

    Args:
        uid: in its address; never changes.
        title: its name.
        description: what it is for.
        rows: panels by the title of their row.
        variables: what can be chosen at its top.

    Returns:
        the bare model that file provisioning takes: no wrapper around it, no inputs to be filled in.
    """
    placed: list[Json] = []
    y = 0
    for name, panels in rows.items():
        placed.append({
            "id": len(placed) + 1, "type": "row", "title": name, "collapsed": False,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}, "panels": [],
        })  # fmt: skip
        y += 1
        x = tallest = 0
        for panel in panels:
            if x + panel.width > WIDTH:
                y += tallest
                x = tallest = 0
            placed.append(panel.model(len(placed) + 1, x, y))
            x += panel.width
            tallest = max(tallest, panel.height)
        y += tallest
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["gte"],
        # The last version of this format; Grafana 12.2 and later read it without migrating.
        "schemaVersion": 42,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        # The pointer is shown in all panels at the same time.
        "graphTooltip": 1,
        "editable": True,
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "links": [],
        "panels": placed,
    }
