"""The kinds of panel that our dashboards are made of, with the looks they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana.boards.model import Json, Panel, Query
from grafana.boards.texts import Words

BLUE, YELLOW, RED, GREY = "blue", "yellow", "red", "#808080"
"""States are told apart by these, and by a word beside them: a colour-blind reader tells blue from red."""

TASK_COLORS = {
    "embedding": "#75C1F4",
    "similarity": "#008F62",
    "sentiment": "#F6AB09",
    "classification": "#B361A5",
    "qa": "#D25800",
    "ner": "#A6C363",
    "relation": "#7232CC",
    "event": "#868AF6",
    "unknown": GREY,
}
"""The colour of each task, everywhere. Chosen by search: any two of the eight are at least 24 apart in CIELAB to people
with normal, red-, green- and blue-blind sight (Machado et al., IEEE TVCG 15(6), 2009), and each has a contrast of 1.9
to white and of 2.4 to Grafana's dark theme. Tasks of other apps get Grafana's own colours by name."""

_SOFT_MAX = {"percentunit": 0.1, "reqps": 0.1, "short": 1}
"""The least that an axis reaches: one of zeros alone would go to 100, and percentages to 10000 %."""

MINUTE = "1m"
"""How often the rules record what is added up over minutes."""


def steps(*colors: tuple[float | None, str]) -> Json:
    """Colours by value: each holds from its value up; the first begins at None, that is below all."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in colors]}


NEUTRAL = steps((None, BLUE))


def _grey_without_data(thresholds: Json) -> Json:
    """Takes the colour below all, which Grafana also gives to a panel without data, away from the lowest values."""
    lowest, *others = thresholds["steps"]
    return {**thresholds, "steps": [{"value": None, "color": GREY}, {**lowest, "value": -1e9}, *others]}


def word(value: float, text: str, color: str) -> Json:
    """A value that is shown as a word in a colour."""
    return {"type": "value", "options": {f"{value:g}": {"text": text, "color": color, "index": 0}}}


def word_between(low: float, high: float, text: str, color: str) -> Json:
    """Values from `low` to `high` that are shown as a word in a colour."""
    return {"type": "range", "options": {"from": low, "to": high, "result": {"text": text, "color": color, "index": 1}}}


def override(field_name: str, **properties: Any) -> Json:
    """Settings for the field of this name; `custom__x` stands for Grafana's `custom.x`."""
    return _override("byName", field_name, properties)


def override_query(ref_id: str, **properties: Any) -> Json:
    """Settings for what a query gives."""
    return _override("byFrameRefID", ref_id, properties)


def _override(matcher: str, options: str, properties: dict[str, Any]) -> Json:
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": options}, "properties": listed}


def fixed(color: str) -> Json:
    """A colour that depends on nothing."""
    return {"mode": "fixed", "fixedColor": color}


def task_colors() -> list[Json]:
    """Gives each known task its colour."""
    return [override(task, color=fixed(color)) for task, color in TASK_COLORS.items()]


def lines(
    words: Words,
    unit: str,
    *queries: Query,
    width: int = 8,
    height: int = 8,
    alert_from: float | None = None,
    stacked: bool = False,
    bars: bool = False,
    most: float | None = None,
    interval: str | None = None,
    by_task: bool = False,
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
) -> Panel:
    """Lines over time.

    Args:
        words: its texts.
        unit: Grafana's id of the unit.
        queries: what is asked.
        width: in columns.
        height: in rows.
        alert_from: where an alert compares these very series: a dashed red line.
        stacked: whether the lines are parts of a whole.
        bars: draw bars instead of lines.
        most: the upper end of the axis, where there is one.
        interval: the shortest step.
        by_task: whether the series are named by tasks, which have colours of their own.
        overrides: exceptions for single series.
        links: where a click on a point leads.
    """
    colors: list[tuple[float | None, str]] = [(None, BLUE)]
    if alert_from is not None:
        colors.append((alert_from, RED))
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 30 if stacked else 5,
        "lineWidth": 1,
        "showPoints": "auto",
        # A gap is a gap: no traffic, or no figures.
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if alert_from is not None else "off"},
    }
    # Tasks that we don't know keep their colour from panel to panel too.
    palette = "palette-classic-by-name" if by_task else "palette-classic"
    defaults: Json = {"color": {"mode": palette}, "custom": custom, "min": 0, "thresholds": steps(*colors)}
    if most is not None:
        defaults["max"] = most
    elif alert_from is not None:
        custom["axisSoftMax"] = 2 * alert_from
    elif unit in _SOFT_MAX:
        custom["axisSoftMax"] = _SOFT_MAX[unit]
    if links:
        defaults["links"] = list(links)
    options = {
        "legend": {
            "calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True,
            "sortBy": "Last *", "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }  # fmt: skip
    return Panel(
        "timeseries", words, queries, unit, width, height, defaults, [*(task_colors() if by_task else ()), *overrides],
        options, rest={"interval": interval} if interval else {},
    )  # fmt: skip


def number(
    words: Words,
    unit: str,
    *queries: Query,
    thresholds: Json = NEUTRAL,
    width: int = 4,
    height: int = 4,
    text: str = "value",
    mappings: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
    decimals: int | None = None,
) -> Panel:
    """Big values on a coloured ground.

    Args:
        words: its texts.
        unit: Grafana's id of the unit.
        queries: what is asked.
        thresholds: colours by value.
        width: in columns.
        height: in rows.
        text: Grafana's text mode: `value`, `name` or `value_and_name`.
        mappings: values that are shown as words.
        overrides: exceptions for single series.
        links: where a click leads.
        decimals: of the value; Grafana chooses where None.
    """
    defaults: Json = {
        "color": {"mode": "thresholds"}, "mappings": list(mappings), "thresholds": _grey_without_data(thresholds),
    }  # fmt: skip
    if links:
        defaults["links"] = list(links)
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "colorMode": "background_solid",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": text,
        "wideLayout": True,
    }
    return Panel("stat", words, queries, unit, width, height, defaults, overrides, options)


def heatmap(words: Words, unit: str, query: Query, *, width: int = 8, height: int = 8, interval: str) -> Panel:
    """The buckets of a histogram over time.

    Args:
        words: its texts.
        unit: Grafana's id of the unit of the bounds.
        query: gives one series for each `le`, in the format `heatmap`.
        width: in columns.
        height: in rows.
        interval: the shortest step.
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
    return Panel("heatmap", words, [query], "short", width, height, options=options, rest={"interval": interval})


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        source: a label, or the letter of the query whose value is shown.
        title: what stands above it.
        unit: Grafana's id of the unit.
        width: in pixels; None for what is left.
        colors: the cell's colours by value; below the first of them it has none, and so has an empty cell.
        words: values that are shown as words.
        rest: more properties of the field, such as `links`, `max`.
    """

    source: str
    title: str
    unit: str = "string"
    width: int | None = None
    colors: Json | None = None
    words: Sequence[Json] = ()
    rest: Json = field(default_factory=dict)

    def override(self, empty: str) -> Json:
        """What the cells look like; `empty` is shown where there is no value."""
        nan = {
            "type": "special",
            "options": {"match": "nan", "result": {"text": empty, "color": "transparent", "index": 9}},
        }
        properties: Json = {"unit": self.unit, "noValue": empty, "mappings": [*self.words, nan]}
        if self.width:
            properties["custom__width"] = self.width
        if self.colors:
            plain, *others = self.colors["steps"]
            properties |= {
                "thresholds": {**self.colors, "steps": [{**plain, "color": "transparent"}, *others]},
                "custom__cellOptions": {"type": "color-background", "mode": "basic"},
            }
        return override(self.title, **properties, **self.rest)


def table(
    words: Words,
    queries: Sequence[str],
    columns: Sequence[Column],
    *,
    width: int,
    height: int,
    sort: str | None = None,
    falling: bool = True,
    empty: str = "–",
) -> Panel:
    """A table of the present values, one line for each set of labels.

    Args:
        words: its texts.
        queries: PromQL; their values are the columns A, B, ...
        columns: what is shown, in this order; all else is left out.
        width: in columns of the grid.
        height: in rows of the grid.
        sort: the title of the column by which the lines are sorted.
        falling: whether the largest is the first.
        empty: shown in a cell that has no value.
    """
    single = len(queries) == 1
    names = {
        column.source: ("Value" if single else f"Value #{column.source}") if len(column.source) == 1 else column.source
        for column in columns
    }
    values = {"Value"} if single else {f"Value #{chr(ord('A') + index)}" for index in range(len(queries))}
    hidden = {"Time", "__name__", *(values - set(names.values()))}
    shown = {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(sorted(hidden), True),
            "indexByName": {names[column.source]: index for index, column in enumerate(columns)},
            "includeByName": {},
            "renameByName": {names[column.source]: column.title for column in columns},
        },
    }
    cells = {"align": "auto", "cellOptions": {"type": "auto"}}
    options: Json = {"cellHeight": "sm", "showHeader": True}
    if sort:
        options["sortBy"] = [{"displayName": sort, "desc": falling}]
    return Panel(
        "table",
        words,
        [Query(expr, now=True, format="table") for expr in queries],
        "string",
        width,
        height,
        {"color": {"mode": "thresholds"}, "custom": cells, "thresholds": NEUTRAL},
        [column.override(empty) for column in columns],
        options,
        [*([] if single else [{"id": "merge", "options": {}}]), shown],
    )


def bars(
    words: Words,
    unit: str,
    *queries: Query,
    thresholds: Json,
    width: int,
    height: int = 8,
    most: float = 1,
    overrides: Sequence[Json] = (),
) -> Panel:
    """A bar for each present value, between 0 and `most`.

    Args:
        words: its texts.
        unit: Grafana's id of the unit.
        queries: what is asked.
        thresholds: colours by value.
        width: in columns.
        height: in rows.
        most: the value of a full bar.
        overrides: exceptions for single series.
    """
    defaults = {
        "color": {"mode": "thresholds"}, "min": 0, "max": most, "thresholds": _grey_without_data(thresholds),
    }  # fmt: skip
    options = {
        "displayMode": "basic",
        "namePlacement": "left",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "valueMode": "text",
    }
    return Panel("bargauge", words, queries, unit, width, height, defaults, overrides, options)


def states(
    words: Words,
    unit: str,
    *queries: Query,
    width: int,
    height: int,
    thresholds: Json = NEUTRAL,
    mappings: Sequence[Json] = (),
    color: str = "thresholds",
    values: str = "never",
) -> Panel:
    """Bands of colour over time, one for each series.

    Args:
        words: its texts.
        unit: Grafana's id of the unit.
        queries: what is asked.
        width: in columns.
        height: in rows.
        thresholds: colours by value.
        mappings: values that are shown as words.
        color: Grafana's colour mode.
        values: whether they stand in the bands: `auto` or `never`.
    """
    defaults: Json = {
        "color": {"mode": color}, "custom": {"fillOpacity": 80, "lineWidth": 0}, "mappings": list(mappings),
        "thresholds": thresholds,
    }  # fmt: skip
    options = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": values,
        "tooltip": {"mode": "single", "sort": "none"},
    }
    # More points than pixels can't be told apart, and cost time.
    return Panel(
        "state-timeline", words, queries, unit, width, height, defaults, options=options, rest={"maxDataPoints": 120}
    )
