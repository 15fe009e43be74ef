"""The parts of every dashboard as Grafana's JSON model has them: queries, panels, and how they are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from grafana.boards.texts import Texts, Words

Json = dict[str, Any]

# By a variable, so that the file can be imported elsewhere; the variable's present value is written out.
PROMETHEUS: Json = {"type": "prometheus", "uid": "${datasource}"}
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
        words: its id and texts.
        queries: what is asked.
        unit: Grafana's id of the unit.
        width: in columns, of 24.
        height: in rows of the grid.
        defaults: the rest of `fieldConfig.defaults`.
        overrides: `fieldConfig.overrides`.
        options: the panel type's own.
        transformations: what happens to the answers before they are shown.
        rest: other keys of the panel, such as `interval`.
    """

    kind: Literal["timeseries", "stat", "table", "heatmap", "bargauge", "state-timeline"]
    words: Words
    queries: Sequence[Query]
    unit: str
    width: int
    height: int
    defaults: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()
    rest: Json = field(default_factory=dict)

    def model(self, x: int, y: int) -> Json:
        """Grafana's model of this panel at a place of the grid."""
        none = {"noValue": self.words.none} if self.words.none else {}
        return {
            "id": self.words.number,
            "type": self.kind,
            # The format of the options. Without it Grafana takes a panel for the oldest kind and migrates it.
            "pluginVersion": "12.0.0",
            "title": self.words["title"],
            "description": self.words["description"],
            "datasource": PROMETHEUS,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [query.model(chr(ord("A") + index)) for index, query in enumerate(self.queries)],
            "fieldConfig": {
                "defaults": {"unit": self.unit, **none, **self.defaults},
                "overrides": list(self.overrides),
            },
            "options": self.options,
            "transformations": list(self.transformations),
            **self.rest,
        }


@dataclass(frozen=True)
class Row:
    """Panels, filled in from the left and wrapped at the grid's width, under a heading.

    Attributes:
        words: id and title of the heading; None for none.
        panels: what is under it.
    """

    words: Words | None
    panels: Sequence[Panel]


def dashboard(texts: Texts, uid: str, rows: Sequence[Row], variables: Sequence[Json]) -> Json:
    """A whole dashboard.

    Args:
        texts: its texts.
        uid: in the address of the English one; never changes. The Chinese one has `-zh` at its end.
        rows: from the top.
        variables: what can be chosen at its top.

    Returns:
        the bare model that file provisioning takes: no wrapper around it, no inputs to be filled in.
    """
    own, other = ("", "-zh") if texts.language == "en" else ("-zh", "")
    board = texts("dashboard")
    return {
        "uid": f"{uid}{own}",
        "title": board["title"],
        "description": board["description"],
        "tags": [f"gte{own}"],
        # The last version of this format; Grafana 12.2 and later read it without migrating.
        "schemaVersion": 42,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        # The pointer is shown in all panels at the same time.
        "graphTooltip": 1,
        "editable": True,
        "templating": {"list": list(variables)},
        "annotations": {"list": _annotations(texts)},
        "links": [
            {
                "title": texts("links")["dashboards"], "type": "dashboards", "tags": [f"gte{own}"], "asDropdown": False,
                "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "",
            },
            {
                "title": texts("links")["other language"], "type": "link", "url": f"/d/{uid}{other}", "icon": "doc",
                "includeVars": True, "keepTime": True, "targetBlank": False, "tags": [], "asDropdown": False,
                "tooltip": "",
            },
        ],
        "panels": _placed(rows),
    }  # fmt: skip


def _placed(rows: Sequence[Row]) -> list[Json]:
    placed: list[Json] = []
    y = 0
    for row in rows:
        if row.words:
            placed.append({
                "id": row.words.number, "type": "row", "title": row.words["title"], "collapsed": False,
                "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}, "panels": [],
            })  # fmt: skip
            y += 1
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                y += tallest
                x = tallest = 0
            placed.append(panel.model(x, y))
            x += panel.width
            tallest = max(tallest, panel.height)
        y += tallest
    return placed


def _annotations(texts: Texts) -> list[Json]:
    """Marks over the time of every panel: a model that changed, a server that started, an alert that fires."""

    def mark(name: str, expr: str, color: str, title: str, *, on: bool = True, **rest: object) -> Json:
        return {
            "name": texts(name)["title"], "datasource": PROMETHEUS, "enable": on, "hide": False, "iconColor": color,
            "expr": expr, "step": "60s", "titleFormat": title, "textFormat": "", **rest,
        }  # fmt: skip

    info = "max by (model, revision, precision) (gte_model_info)"
    return [
        # Without the ten minutes of memory each gap in the scrapes would make one more mark.
        mark(
            "model changed",
            f"{info} unless max by (model, revision, precision) (last_over_time(gte_model_info[10m] offset 1m))",
            "purple",
            "{{model}} {{revision}} {{precision}}",
        ),
        mark(
            "server started",
            '1000 * gte_process_start_time_seconds{process="master"}',
            "blue",
            "{{instance}}",
            useValueForTime=True,
        ),
        mark(
            "alert fires",
            'ALERTS{alertstate="firing",alertname!="Watchdog"}',
            "red",
            "{{alertname}} {{task_type}}",
            on=False,
        ),
    ]
