"""The kinds of panel that our dashboards are made of, with the looks they share."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.boards.model import Json, Panel, Query


def steps(*colors: tuple[float | None, str]) -> Json:
    """Colours by value: each holds from its value up; the first begins at None, that is below all."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in colors]}


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    worry_from: float | None = None,
    stacked: bool = False,
    most: float | None = None,
) -> Panel:
    """Lines over time.

    Args:
        title: what is shown.
        description: what it means, and when to worry.
        unit: Grafana's id of the unit.
        queries: what is asked.
        width: in columns.
        worry_from: where a red line is drawn.
        stacked: whether the lines are parts of a whole.
        most: the upper end of the axis, where there is one.
    """
    colors = [(None, "green"), (worry_from, "red")] if worry_from is not None else [(None, "green")]
    custom = {
        "drawStyle": "line",
        "fillOpacity": 30 if stacked else 5,
        "lineWidth": 1,
        "showPoints": "auto",
        # A gap is a gap: no traffic, or no figures.
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if worry_from is not None else "off"},
    }
    defaults: Json = {"color": {"mode": "palette-classic"}, "custom": custom, "min": 0, "thresholds": steps(*colors)}
    if most is not None:
        defaults["max"] = most
    options = {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel("timeseries", title, description, queries, unit, width, 8, defaults, options=options)


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    thresholds: Json,
    width: int = 4,
    none: str = "none",
    words: dict[str, tuple[str, str]] | None = None,
    names: bool = False,
    overrides: Sequence[Json] = (),
) -> Panel:
    """One big value, its background coloured.

    Args:
        title: what is shown.
        description: what it means, and when to worry.
        unit: Grafana's id of the unit.
        queries: what is asked.
        thresholds: colours by value.
        width: in columns.
        none: shown where there is no value.
        words: for values that are shown as words: the word and its colour.
        names: show the names of the series instead of their values.
        overrides: exceptions for single series.
    """
    shown = {
        value: {"text": text, "color": color, "index": i}
        for i, (value, (text, color)) in enumerate((words or {}).items())
    }
    defaults: Json = {
        "color": {"mode": "thresholds"},
        "mappings": [{"type": "value", "options": shown}] if shown else [],
        "noValue": none,
        "thresholds": thresholds,
    }
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "name" if names else "value",
        "wideLayout": True,
    }
    return Panel("stat", title, description, queries, unit, width, 4, defaults, overrides, options)


def heatmap(title: str, description: str, unit: str, query: Query, width: int = 8) -> Panel:
    """The buckets of a histogram over time.

    Args:
        title: what is shown.
        description: what it means, and when to worry.
        unit: Grafana's id of the unit of the bounds.
        query: gives one series for each `le`, in the format `heatmap`.
        width: in columns.
    """
    options = {
        # Prometheus has made the buckets; Grafana must not make its own out of them.
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "unit": unit},
    }
    return Panel("heatmap", title, description, [query], "short", width, 8, options=options)


def table(title: str, description: str, query: Query, columns: Sequence[str], *, none: str) -> Panel:
    """A table of labels over the whole width, one line a series.

    Args:
        title: what is shown.
        description: what it means, and when to worry.
        query: in the format `table`.
        columns: labels, in their order.
        none: shown where there is no line.
    """
    shown = {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(("Time", "Value", "__name__"), True),
            "indexByName": {column: index for index, column in enumerate(columns)},
            "renameByName": {},
        },
    }
    colors = {"firing": {"color": "red", "index": 0}, "pending": {"color": "orange", "index": 1}}
    state = {
        "matcher": {"id": "byName", "options": "alertstate"},
        "properties": [
            {"id": "custom.cellOptions", "value": {"type": "color-background"}},
            {"id": "mappings", "value": [{"type": "value", "options": colors}]},
        ],
    }
    defaults = {"noValue": none, "thresholds": steps((None, "green"))}
    options = {"cellHeight": "sm", "showHeader": True}
    return Panel("table", title, description, [query], "string", 24, 6, defaults, [state], options, [shown])
