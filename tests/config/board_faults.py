"""What can be wrong with the dashboards without asking Prometheus: each check tells what it found, in words."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from grafana.boards import texts
from grafana.boards.generate import BOARDS
from grafana.boards.panels import MINUTE, TASK_COLORS
from tests.config.boards import Boards, Json, leaves, sources
from tools.metric_contract import BY_NAME

Check = Callable[[Boards], list[str]]

_KINDS = {"timeseries", "stat", "table", "heatmap", "bargauge", "state-timeline"}
# Those of ours, of the hundreds that Grafana knows; its own program is asked too, where it has been built.
_UNITS = {"bytes", "dateTimeFromNow", "locale", "none", "percentunit", "reqps", "s", "short", "string"}
_FIRST_SCREEN = 17
"""Rows of the grid that are seen at 1280 x 800."""
_LATIN_IN_COLUMN = 4
"""Characters of a title for each column of the grid; a Chinese one takes the room of two."""
_HAN = re.compile("[\u4e00-\u9fff]")
# Should; means that; turns red; fires; stays or passes a limit. 应 alone is also in 应答 (answer) and 应用 (app).
_WORRY_ZH = re.compile(
    "应(?![答用])|处理|说明|变红|红色|触发告警|持续|超过|高于|无休止|请看|请对照|先看|更少|长期|降为 0|接近"
)
_SAME_IN_BOTH = {"P50", "P95", "QPS", "Prometheus", "Grafana"}
"""Texts that are the same in both languages."""
# Stand in names of series and columns without being texts of the table: figures, signs, labels, and words of the trade.
_FREE = re.compile(r"\{\{\w+\}\}|P50|P95|P99|CPU|\d+|\W")
# Values with these keys are read by people.
_SHOWN = {"title", "description", "noValue", "legendFormat", "displayName", "label", "titleFormat", "tooltip"}


def form(boards: Boards) -> list[str]:
    """Files as file provisioning takes them, and the schema of Grafana 12.4."""
    found = []
    for place, model in boards.models.items():
        unwanted = {"dashboard", "__inputs", "__requires", "id", "version", "elements", "apiVersion"} & set(model)
        found += [f"{place}: {key} stands in the model" for key in unwanted]
        if "${DS_" in json.dumps(model):
            found.append(f"{place}: an input for the data source")
        if model["schemaVersion"] != 42:
            found.append(f"{place}: schemaVersion {model['schemaVersion']}")
        # 2: also when the time changes. The data source's own list is made once.
        found += [
            f"{place}: variable {one['name']} has refresh {one['refresh']}" for one in model["templating"]["list"]
            if one["refresh"] != (1 if one["type"] == "datasource" else 2)
        ]  # fmt: skip
    for key in ("uid", "title"):
        seen = [model[key] for model in boards.models.values()]
        found += [f"{key} {one!r} stands in {seen.count(one)} files" for one in set(seen) if seen.count(one) > 1]
    found += [f"{at}: no panel has the type {panel['type']!r}" for *at, panel in boards.panels()
              if panel["type"] not in _KINDS]  # fmt: skip
    return found


def grid(boards: Boards) -> list[str]:
    """Panels beside each other, without holes but at the end of a row; the overview's first screen is seen whole."""
    found = []
    for place, model in boards.models.items():
        taken: dict[tuple[int, int], str] = {}
        for panel in model["panels"]:
            at = panel["gridPos"]
            cells = [(y, x) for y in range(at["y"], at["y"] + at["h"]) for x in range(at["x"], at["x"] + at["w"])]
            if at["x"] < 0 or at["x"] + at["w"] > 24:
                found.append(f"{place}: {panel['title']} leaves the grid")
            found += {f"{place}: {panel['title']} lies over {taken[cell]}" for cell in cells if cell in taken}
            taken |= dict.fromkeys(cells, panel["title"])
        holes = {(y, x) for y in range(max(taken)[0] + 1) for x in range(24)} - set(taken)
        found += [f"{place}: a hole before column {x} of row {y}" for y, x in taken if (y, x - 1) in holes]
    for language in texts.LANGUAGES:
        panels = boards.models[language, "overview"]["panels"]
        until = next(index for index, panel in enumerate(panels) if panel["type"] == "row")
        lowest = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels[:until])
        kinds = [panel["type"] for panel in panels[:until]]
        if lowest > _FIRST_SCREEN or kinds != ["stat"] * 6 + ["table", "state-timeline"]:
            found.append(f"the first screen in {language} is {kinds} in {lowest} rows")
    return found


def numbers(boards: Boards) -> list[str]:
    """Ids of panels and rows are those of the table of texts: links and shared addresses name them for good."""
    found = []
    for (language, name), model in boards.models.items():
        ids = [panel["id"] for panel in model["panels"]]
        listed = [entry["id"] for entry in boards.table[name].values() if "id" in entry]
        retired = boards.table["retired"][name]
        found += [f"{language} {name}: id {one} is there twice" for one in set(ids) if ids.count(one) > 1]
        found += [f"{name}: id {one} is listed twice" for one in listed + retired if (listed + retired).count(one) > 1]
        found += [f"{name}: id {one} is retired" for one in (*ids, *listed) if one in retired]
        found += [f"{language} {name}: id {one} is in one of table and file" for one in set(ids) ^ set(listed)]
        titles = {key: boards.table[name][at]["title"] for key, at in boards.keys(name).items()}
        found += [
            f"{language} {name}: id {panel['id']} is of {titles[panel['id']][0]}" for panel in model["panels"]
            if panel["id"] in titles and panel["title"] not in titles[panel["id"]]
        ]  # fmt: skip
    return found


def every_text(boards: Boards) -> Iterator[tuple[str, Any]]:
    """Each entry of the table with its name; ids left out."""
    for board, parts in boards.table.items():
        for part, entry in parts.items() if board != "retired" else ():
            yield from ((f"{board}.{part}.{name}", pair) for name, pair in entry.items() if name != "id")


def languages(boards: Boards) -> list[str]:
    """Each text stands in the table in English and Chinese."""
    found = []
    for name, pair in every_text(boards):
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(one, str) and one.strip() for one in pair)
        ):
            found.append(f"{name} is no pair of texts")
        elif name != "common.links.other language":
            english, chinese = pair
            if _HAN.search(english):
                found.append(f"{name}: Chinese stands in {english!r}")
            if not _HAN.search(chinese) and not (chinese == english and chinese in _SAME_IN_BOTH):
                found.append(f"{name}: no Chinese stands in {chinese!r}")
    return found


def unused(boards: Boards) -> list[str]:
    """Texts of the table that no dashboard shows."""
    marked: Json = {
        board: parts if board == "retired" else {
            part: {name: pair if name == "id" else [f"<{board}.{part}.{name}>"] * 2 for name, pair in entry.items()}
            for part, entry in parts.items()
        }
        for board, parts in boards.table.items()
    }  # fmt: skip
    shown = json.dumps([make(texts.Texts(name, "en", marked)) for name, make in BOARDS.items()])
    return [f"{name} is shown nowhere" for name, _ in every_text(boards) if f"<{name}>" not in shown]


def translated(english: str, chinese: str, pairs: Collection[tuple[str, str]]) -> bool:
    """Whether one text is made of the English texts of the pairs, and the other of their Chinese ones."""

    @cache
    def rest(at: int, to: int) -> bool:
        if at == len(english) and to == len(chinese):
            return True
        same = _FREE.match(english, at)
        return any(
            english.startswith(one, at) and chinese.startswith(other, to) and rest(at + len(one), to + len(other))
            for one, other in (*pairs, *([(same[0], same[0])] if same else ()))
        )

    return (english, chinese) in pairs or rest(0, 0)


def same_but_for_texts(boards: Boards) -> list[str]:
    """The sets of the two languages differ in texts of the table alone, and all that people read stands there."""
    found = []
    for name in BOARDS:
        parts = (*boards.table["common"].values(), *boards.table[name].values())
        pairs = {tuple(pair) for entry in parts for key, pair in entry.items() if key != "id" and all(pair)}
        both = [dict(leaves(boards.models[language, name])) for language in texts.LANGUAGES]
        found += [f"{name}: {path} is in one language only" for path in both[0].keys() ^ both[1].keys()]
        for path in both[0].keys() & both[1].keys():
            english, chinese = both[0][path], both[1][path]
            if english != chinese and (not isinstance(english, str) or not isinstance(chinese, str)):
                found.append(f"{name}: {path} is {english!r} and {chinese!r}")
            elif isinstance(english, str) and (english != chinese or _is_read(path)):
                in_address = path[0] in ("uid", "tags", "links") or path[-1] == "url"
                if not translated(english, chinese, pairs) and not (
                    in_address and english.replace("-zh", "") == chinese.replace("-zh", "")
                ):
                    found.append(f"{name}: {path}: {english!r} and {chinese!r} are no texts of the table")
    return found


def _is_read(path: tuple[str | int, ...]) -> bool:
    return (
        path[-1] in _SHOWN
        or path[-2:-1] == ("renameByName",)
        or (path[-1] == "text" and "mappings" in path)
        or (path[0] == "annotations" and path[-1] == "name")
    )  # fmt: skip


def data_sources(boards: Boards) -> list[str]:
    """All is asked of the data source that the reader chooses: linter's template-datasource and panel-datasource."""
    found = []
    for place, model in boards.models.items():
        first = model["templating"]["list"][0]
        if (first["name"], first["type"], first["query"]) != ("datasource", "datasource", "prometheus"):
            found.append(f"{place}: the first variable is {first['name']}")
        # Written out: Grafana may ask before it has found one, and then shows 0.
        if first["current"] != {"text": "Prometheus", "value": "prometheus"}:
            found.append(f"{place}: the data source is {first['current']}")
        if first["label"] not in boards.table["common"]["variables"]["datasource"]:
            found.append(f"{place}: the data source is labelled {first['label']}")
        found += [f"{place}: the data source is fixed: {uid}" for uid in sources(model) if uid != "${datasource}"]
        for panel in model["panels"]:
            parts = [panel, *panel["targets"]] if panel["type"] != "row" else ()
            found += [f"{place}: {panel['title']} names no data source" for part in parts if "datasource" not in part]
    return found


def described(boards: Boards) -> list[str]:
    """Title, question, when to worry, words for no data, and unit: linter's panel-title-description and panel-units."""
    found = []
    for language, name, key, panel in boards.panels():
        at, defaults = f"{language} {name} {key}", panel["fieldConfig"]["defaults"]
        description = panel.get("description", "")
        if not re.match("[^.。:：]+[?？]", description):
            found.append(f"{at}: the description does not begin with a question")
        if language == "en" and "Worry" not in description:
            found.append(f"{at}: the description does not say when to worry")
        if language == "zh" and not _WORRY_ZH.search(description):
            found.append(f"{at}: the description does not say when to worry")
        if not defaults.get("noValue"):
            found.append(f"{at}: no words for no data")
        units = [defaults.get("unit"), *(value for path, value in leaves(panel) if path[-1] == "unit")]
        found += [f"{at}: unit {unit!r}" for unit in units if unit not in _UNITS]
        if not panel.get("pluginVersion"):
            found.append(f"{at}: Grafana would migrate it")
        length = sum(2 if _HAN.match(one) or one in "，。：（）、？" else 1 for one in panel["title"])
        if not panel["title"] or length > _LATIN_IN_COLUMN * panel["gridPos"]["w"]:
            found.append(f"{at}: the title {panel['title']!r} is not {panel['gridPos']['w']} columns wide")
        if not panel["targets"]:
            found.append(f"{at}: nothing is asked")
    return found


def links(boards: Boards) -> list[str]:
    """Links lead to a dashboard of the same language, and keep time, data source, service and task."""
    found = []
    for (language, name), model in boards.models.items():
        own, other = ("", "-zh") if language == "en" else ("-zh", "")
        uids = {one["uid"] for (tongue, _), one in boards.models.items() if tongue == language}
        if model["uid"] != f"gte-{name}{own}" or model["tags"] != [f"gte{own}"]:
            found.append(f"{language} {name}: uid {model['uid']}, tags {model['tags']}")
        wanted = [("dashboards", [f"gte{own}"], None), ("link", [], f"/d/gte-{name}{other}")]
        if [(one["type"], one["tags"], one.get("url")) for one in model["links"]] != wanted:
            found.append(f"{language} {name}: its links lead elsewhere")
        found += [f"{language} {name}: the link {one['title']} drops the time or the variables"
                  for one in model["links"] if not (one["keepTime"] and one["includeVars"])]  # fmt: skip
        for path, url in leaves(model["panels"]):
            if path[-1] != "url":
                continue
            asked = urlsplit(url)
            kept = {key for key, _ in parse_qsl(asked.query)} | set(asked.query.split("&"))
            if asked.path.removeprefix("/d/") not in uids:
                found.append(f"{language} {name}: {url} leads to no dashboard of this language")
            wanted_parts = {"${__url_time_range}", "${datasource:queryparam}", "${job:queryparam}"}
            found += [f"{language} {name}: {url} drops {part}" for part in wanted_parts - kept]
            if not kept & {"var-task_type", "${task_type:queryparam}"}:
                found.append(f"{language} {name}: {url} drops the task")
    return found


def task_colors(boards: Boards) -> list[str]:
    """A task has one colour everywhere: that of TASK_COLORS."""
    found = []
    for language, name, key, panel in boards.panels():
        colors = {
            override["matcher"]["options"]: one["value"]
            for override in panel["fieldConfig"]["overrides"] if override["matcher"]["id"] == "byName"
            for one in override["properties"] if one["id"] == "color"
        }  # fmt: skip
        found += [
            f"{language} {name} {key}: {task} is {color}" for task, color in colors.items()
            if task in TASK_COLORS and color != {"mode": "fixed", "fixedColor": TASK_COLORS[task]}
        ]  # fmt: skip
        if panel["type"] == "timeseries" and any(one["legendFormat"] == "{{task_type}}" for one in panel["targets"]):
            found += [f"{language} {name} {key}: {task} has no colour" for task in TASK_COLORS.keys() - colors.keys()]
            if panel["fieldConfig"]["defaults"]["color"] != {"mode": "palette-classic-by-name"}:
                found.append(f"{language} {name} {key}: other tasks change their colour from panel to panel")
    return found


def legends(boards: Boards) -> list[str]:
    """The line that is highest now is the first of the legend."""
    wanted = {"displayMode": "table", "showLegend": True, "sortBy": "Last *", "sortDesc": True}
    return [
        f"{language} {name} {key}: legend {panel['options']['legend']}"
        for language, name, key, panel in boards.panels() if panel["type"] == "timeseries"
        if not wanted.items() <= panel["options"]["legend"].items()
        or "lastNotNull" not in panel["options"]["legend"]["calcs"]
    ]  # fmt: skip


def moments(boards: Boards) -> list[str]:
    """Stats, bars and tables ask for the present; lines, bands and heatmaps for a range."""
    found = []
    for language, name, key, panel in boards.panels():
        now = panel["type"] in ("stat", "table", "bargauge")
        form_of = panel["type"] if panel["type"] in ("table", "heatmap") else "time_series"
        found += [
            f"{language} {name} {key}: {one['refId']}: {one['format']}, instant {one['instant']}, range {one['range']}"
            for one in panel["targets"]
            if (one["instant"], one["range"], one["format"]) != (now, not now, form_of)
        ]
        letters = [one["refId"] for one in panel["targets"]]
        if letters != [chr(ord("A") + at) for at in range(len(letters))]:
            found.append(f"{language} {name} {key}: the queries are {letters}")
    return found


def heatmaps(boards: Boards) -> list[str]:
    """Each request is in one cell: minutes are added up over the step, which is at least a minute."""
    found = []
    for language, name, key, panel in boards.panels():
        at = f"{language} {name} {key}"
        for one in panel["targets"]:
            if "increase1m" in one["expr"] and "[$__interval]" in one["expr"]:
                if panel.get("interval") not in (MINUTE, "5m"):
                    found.append(f"{at}: steps of {panel.get('interval')}")
            elif panel["type"] == "heatmap":
                found.append(f"{at}: does not add up minutes over the step")
        if panel["type"] == "heatmap":
            if panel["options"]["calculate"] is not False:
                found.append(f"{at}: Grafana would make buckets of buckets")
            if not panel["targets"][0]["expr"].startswith("sum by (le) (sum_over_time("):
                found.append(f"{at}: the buckets are lost")
    return found


def read_by_grafanas_types(boards: Boards) -> list[str]:
    """Grafana's own types, generated from its schema, read each file without losing or changing a value."""
    found = []
    encoder, dashboard = _sdk()
    for place, model in boards.models.items():
        try:
            read = json.loads(json.dumps(dashboard.from_json(model), cls=encoder))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            found.append(f"{place}: can't be read: {error!r}")
            continue
        found += [f"{place}: {path}" for path in _lost(model, read)]
    return found


@cache
def _sdk() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        # The classic form is deprecated in favour of one that Grafana 12.4 can't read from files.
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import Dashboard
    return JSONEncoder, Dashboard


def _lost(ours: Any, read: Any, path: str = "") -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(read, dict):
        for key, value in ours.items():
            if key in read:
                yield from _lost(value, read[key], f"{path}.{key}")
            # Left out by the encoder where there is none.
            elif value is not None:
                yield f"{path}.{key} is lost"
    elif isinstance(ours, list) and isinstance(read, list) and len(ours) == len(read):
        for index, (one, other) in enumerate(zip(ours, read, strict=True)):
            yield from _lost(one, other, f"{path}[{index}]")
    elif ours != read:
        yield f"{path} is {read!r} instead of {ours!r}"


def contract_tasks(_: Boards) -> list[str]:
    """Every task of the contract has a colour."""
    (label,) = [one for one in BY_NAME["gte_task_requests_total"].labels if one.name == "task_type"]
    return [f"{task} has no colour, or is no task" for task in set(label.values) ^ set(TASK_COLORS)]


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        form, grid, numbers, languages, unused, same_but_for_texts, data_sources, described, links, task_colors,
        contract_tasks, legends, moments, heatmaps, read_by_grafanas_types,
    )
}  # fmt: skip
