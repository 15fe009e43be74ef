"""Each check of the dashboards can fail: mistakes are planted in the same place of both languages, and are caught.

`pytest -s` prints who caught which.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grafana.boards.panels import TASK_COLORS
from tests.config import board_faults
from tests.config.board_faults import CHECKS, Check
from tests.config.board_queries import QueryChecks
from tests.config.boards import Boards, Json, read
from tests.config.containers import IMAGE_TAG, DockerError, docker, needs_engine
from tests.config.server import Server

VIEWER = "the viewer"
TOOLS = f"gte-observability/dashboard-tools:{IMAGE_TAG}"


@dataclass(frozen=True)
class Mistake:
    """A change that makes a dashboard worse.

    Attributes:
        what: in words.
        caught_by: the check that must notice it; others may too.
        plant: changes a copy of the dashboards.
    """

    what: str
    caught_by: str
    plant: Callable[[Boards], None]


def models(boards: Boards, name: str) -> list[Json]:
    return [model for (_, board), model in boards.models.items() if board == name]


def panel(name: str, key: str, change: Callable[[Json], object]) -> Callable[[Boards], None]:
    """A change of a panel in both languages."""

    def plant(boards: Boards) -> None:
        for language in ("en", "zh"):
            change(boards.panel(name, key, language))

    return plant


def query(name: str, key: str, old: str, new: str, at: int = 0) -> Callable[[Boards], None]:
    """A change of a panel's query in both languages."""

    def change(shown: Json) -> None:
        target = shown["targets"][at]
        assert old in target["expr"], target["expr"]
        target["expr"] = target["expr"].replace(old, new)

    return panel(name, key, change)


def model(name: str, change: Callable[[Json], object]) -> Callable[[Boards], None]:
    """A change of a dashboard in both languages."""

    def plant(boards: Boards) -> None:
        for one in models(boards, name):
            change(one)

    return plant


def text(board: str, part: str, name: str, pair: Any) -> Callable[[Boards], None]:
    """A change of the table of texts."""
    return lambda boards: boards.table[board][part].update({name: pair})


def put(node: Any, *path: Any) -> None:
    """Set the value at the end of a path."""
    *way, last, value = path
    for key in way:
        node = node[key]
    node[last] = value


def colour_of_a_task(shown: Json) -> None:
    (override,) = [one for one in shown["fieldConfig"]["overrides"] if one["matcher"]["options"] == "qa"]
    override["properties"][0]["value"]["fixedColor"] = "#123456"


def link(shown: Json, old: str, new: str) -> None:
    (one,) = shown["fieldConfig"]["defaults"]["links"]
    assert old in one["url"]
    one["url"] = one["url"].replace(old, new)


def link_to_the_other_language(boards: Boards) -> None:
    link(boards.panel("overview", "qps", "en"), "/d/gte-inside?", "/d/gte-inside-zh?")
    link(boards.panel("overview", "qps", "zh"), "/d/gte-inside-zh?", "/d/gte-inside?")


def threshold(value: float) -> Callable[[Json], None]:
    return lambda shown: put(shown, "fieldConfig", "defaults", "thresholds", "steps", -1, "value", value)


def transformation(shown: Json, old: str, new: str) -> None:
    (one,) = [one for one in shown["transformations"] if one["id"] == old]
    one["id"] = new


def swap(shown: Json) -> None:
    for target in shown["targets"]:
        target["instant"], target["range"] = target["range"], target["instant"]


FIELD = ("fieldConfig", "defaults")
P95, FAILING = "job_task_type:gte_task_latency_seconds:p95_latest", "job_task_type:gte_task_failures_per_requests"
MISTAKES = [
    # What Grafana would read wrongly, or not at all
    Mistake("a misspelt field of a panel", "read_by_grafanas_types",
            panel("overview", "qps", lambda one: one.update(fieldconfig={"defaults": {}}))),
    Mistake("a misspelt default of a panel's fields", "read_by_grafanas_types",
            panel("overview", "qps", lambda one: one["fieldConfig"]["defaults"].update(unitt="s"))),
    Mistake("a misspelt field of a query", VIEWER,
            panel("overview", "qps", lambda one: one["targets"][0].update(legendformat="{{task_type}}"))),
    Mistake("a misspelt field of the dashboard", "read_by_grafanas_types",
            model("overview", lambda one: one.update(graphToolTip=1))),
    Mistake("a misspelt option of a panel", VIEWER,
            panel("overview", "qps", lambda one: one["options"]["tooltip"].update(mod="multi"))),
    Mistake("a wrong panel type", "form", panel("overview", "tasks", lambda one: one.update(type="tabel"))),
    Mistake("a deprecated panel type", "form", panel("overview", "qps", lambda one: one.update(type="graph"))),
    Mistake("an unknown unit", "described", panel("overview", "p95", lambda one: put(one, *FIELD, "unit", "sec"))),
    Mistake("an unknown unit of a column", "described",
            panel("overview", "tasks", lambda one: put(
                one, "fieldConfig", "overrides", 1, "properties", 0, "value", "secs"))),
    Mistake("an unknown reducer", VIEWER,
            panel("overview", "slowest", lambda one: put(one, "options", "reduceOptions", "calcs", ["lastNonNull"]))),
    Mistake("an unknown transformation", VIEWER,
            panel("overview", "tasks", lambda one: transformation(one, "organize", "organise"))),
    Mistake("an unknown colour", VIEWER,
            panel("overview", "slowest", lambda one: put(one, *FIELD, "thresholds", "steps", 0, "color", "bleu"))),
    Mistake("an unknown colour mode", VIEWER,
            panel("overview", "since", lambda one: put(one, *FIELD, "color", "mode", "treshold"))),
    Mistake("an unknown matcher", VIEWER,
            panel("overview", "room", lambda one: put(one, "fieldConfig", "overrides", 0, "matcher", "id", "byQuery"))),
    Mistake("a variable that can't be chosen", "variables",
            query("overview", "qps", "$task_type", "$task_types")),
    Mistake("a form that file provisioning refuses", "form",
            model("stack", lambda one: one.update(__inputs=[{"name": "DS_PROMETHEUS"}]))),
    Mistake("another version of the schema", "form", model("stack", lambda one: one.update(schemaVersion=36))),
    Mistake("a uid that two languages share", "form", model("inside", lambda one: one.update(uid="gte-inside"))),
    Mistake("a title that two dashboards share", "form",
            model("stack", lambda one: one.update(title="GTE overview" if "host" in one["title"] else "GTE 总览"))),
    Mistake("a variable that is not read again", "form",
            model("overview", lambda one: put(one, "templating", "list", 2, "refresh", 1))),
    Mistake("a data source that is fixed", "data_sources",
            panel("overview", "p95", lambda one: put(one, "targets", 0, "datasource", "uid", "prometheus"))),
    Mistake("a panel whose query names no data source", "data_sources",
            panel("overview", "p95", lambda one: one["targets"][0].pop("datasource"))),
    Mistake("a data source that is found at the first load only", "data_sources",
            model("overview", lambda one: put(one, "templating", "list", 0, "current", {}))),
    # Ids and places
    Mistake("an id that two panels have", "numbers", panel("overview", "qps", lambda one: one.update(id=40))),
    Mistake("a retired id", "numbers", panel("overview", "qps", lambda one: one.update(id=7))),
    Mistake("a retired id that is listed again", "numbers", text("overview", "qps", "id", 7)),
    Mistake("ids of two panels swapped", "numbers",
            model("overview", lambda one: [
                shown.update(id=79 - shown["id"]) for shown in one["panels"] if shown["id"] in (39, 40)])),
    Mistake("a panel over another", "grid", panel("overview", "qps", lambda one: put(one, "gridPos", "w", 9))),
    Mistake("a panel out of the grid", "grid", panel("overview", "errors", lambda one: put(one, "gridPos", "x", 17))),
    Mistake("a hole between two panels", "grid", panel("overview", "qps", lambda one: put(one, "gridPos", "w", 7))),
    Mistake("a first screen that is too high", "grid",
            model("overview", lambda one: [shown["gridPos"].update(h=14) for shown in one["panels"][6:8]])),
    # Texts
    Mistake("a description without its question", "described",
            panel("overview", "p95", lambda one: one.update(
                description=one["description"].replace("?", ".", 1).replace("？", "。", 1)))),
    Mistake("a description that doesn't say when to worry", "described",
            panel("stack", "series", lambda one: one.update(
                description=one["description"].split("Worry")[0].split("若无休止")[0]))),
    Mistake("a missing description", "described", panel("overview", "p95", lambda one: one.pop("description"))),
    Mistake("no words for no data", "described",
            panel("overview", "p95", lambda one: one["fieldConfig"]["defaults"].pop("noValue"))),
    Mistake("a title that is too long", "described",
            panel("overview", "firing", lambda one: one.update(title="告警 Alerts firing"))),
    Mistake("a word that is not in the table", "same_but_for_texts",
            panel("overview", "qps", lambda one: put(one, "targets", 0, "legendFormat", "{{task_type}} requests"))),
    Mistake("a Chinese word that is not in the table", "same_but_for_texts",
            panel("overview", "qps", lambda one: put(one, "targets", 0, "legendFormat", "{{task_type}} 请求"))),
    Mistake("a column's title that is not in the table", "same_but_for_texts",
            panel("overview", "tasks", lambda one: put(
                one, "transformations", 1, "options", "renameByName", "task_type", "Job"))),
    Mistake("an English text in the Chinese dashboard", "same_but_for_texts",
            panel("overview", "qps", lambda one: one.update(title="QPS by task"))),
    Mistake("a query that differs between the languages", "same_but_for_texts",
            lambda boards: put(boards.panel("overview", "qps", "zh"), "targets", 0, "expr", "up")),
    Mistake("a missing Chinese text", "languages", text("overview", "qps", "title", ["QPS by task"])),
    Mistake("an empty Chinese text", "languages", text("overview", "qps", "title", ["QPS by task", " "])),
    Mistake("a Chinese text that is English", "languages", text("overview", "room", "more", ["more", "More"])),
    Mistake("Chinese in an English text", "languages", text("overview", "room", "more", ["更多", "更多"])),
    Mistake("a text that nobody shows", "unused", text("overview", "room", "less", ["less", "更少"])),
    # Links and looks
    Mistake("a link that drops the time", "links",
            panel("overview", "qps", lambda one: link(one, "&${__url_time_range}", ""))),
    Mistake("a link that drops the task", "links",
            panel("overview", "qps", lambda one: link(one, "var-task_type=", "var-task="))),
    Mistake("a link that drops the data source", "links",
            panel("overview", "qps", lambda one: link(one, "${datasource:queryparam}&", ""))),
    Mistake("a link to the other language", "links", link_to_the_other_language),
    Mistake("a link to no dashboard", "links",
            panel("overview", "qps", lambda one: link(one, "/d/gte-inside", "/d/gte-outside"))),
    Mistake("links on top that drop the time", "links",
            model("overview", lambda one: put(one, "links", 0, "keepTime", False))),
    Mistake("a task in another colour", "task_colors", panel("overview", "qps", colour_of_a_task)),
    Mistake("a task without a colour", "task_colors",
            panel("overview", "in flight", lambda one: one["fieldConfig"]["overrides"].pop())),
    Mistake("colours by place", "task_colors",
            panel("overview", "qps", lambda one: put(one, *FIELD, "color", "mode", "palette-classic"))),
    Mistake("a legend that is not sorted", "legends",
            panel("overview", "qps", lambda one: one["options"]["legend"].pop("sortBy"))),
    # What is asked, and when
    Mistake("a stat of a range", "moments", panel("overview", "slowest", swap)),
    Mistake("lines of an instant", "moments", panel("overview", "qps", swap)),
    Mistake("a table of time series", "moments",
            panel("overview", "tasks", lambda one: put(one, "targets", 0, "format", "time_series"))),
    Mistake("a heatmap that makes its own buckets", "heatmaps",
            panel("overview", "heatmap", lambda one: put(one, "options", "calculate", True))),
    Mistake("a heatmap with steps of less than a minute", "heatmaps",
            panel("overview", "heatmap", lambda one: one.update(interval="20s"))),
    Mistake("a heatmap that counts requests many times", "heatmaps",
            query("overview", "heatmap", "$__interval", "$__rate_interval")),
    Mistake("percentiles with steps of less than a minute", "heatmaps",
            panel("overview", "percentiles", lambda one: one.pop("interval"))),
    Mistake("a fixed window in a rate", "windows", query("inside", "batch", "$__rate_interval", "5m")),
    Mistake("a rate over one step", "windows", query("inside", "batch", "$__rate_interval", "$__interval")),
    Mistake("a raw counter", "counters",
            query("stack", "samples", "rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval])",
                  "prometheus_tsdb_head_samples_appended_total")),
    Mistake("no PromQL", "known", query("overview", "qps", "sum by (task_type)", "sum by task_type")),
    Mistake("a metric that nobody has", "known", query("overview", "in flight", "gte_active_requests",
                                                       "gte_active_request")),
    Mistake("a recorded series that no rule records", "known", query("overview", "p95", "p95_latest", "p95_rate1m")),
    Mistake("a misspelt label", "known", query("overview", "in flight", "sum by (task_type)", "sum by (task)")),
    Mistake("a value that a label never has", "known",
            query("inside", "refused", "model_not_ready", "model_unready")),
    Mistake("a variable of a metric that nobody has", "known",
            model("overview", lambda one: put(one, "templating", "list", 1, "definition",
                                              "label_values(gte_task_request_total, job)"))),
    Mistake("a mark of a metric that nobody has", "known",
            model("overview", lambda one: put(one, "annotations", "list", 0, "expr", "gte_model_infos"))),
    Mistake("a bound that is written in one way", "known", query("overview", "durations", 'le=~"0[.]1"', 'le="1"')),
    Mistake("a metric of another program that is not on the list", "others",
            query("stack", "waiting to run", "node_load1{", "node_load5{")),
    Mistake("a chosen task that is left out", "scope",
            query("overview", "in flight", ',task_type=~"$task_type"', "")),
    Mistake("a chosen replica that is left out", "scope", query("inside", "queue", ',instance=~"$instance"', "")),
    Mistake("a chosen host that is left out", "scope", query("stack", "memory", 'instance=~"$host"', "")),
    Mistake("a division by what may be 0", "guards", query("inside", "texts in batch", " > 0", "")),
    Mistake("sides that can't be matched", "sides", query("stack", "waiting to run", "on (instance)", "on (job)")),
    Mistake("a percentile of any number of requests", "percentiles", query("overview", "percentiles", ">= 20", ">= 2")),
    Mistake("a recorded percentile of any number of requests", "percentiles",
            query("inside", "p95 by phase", ">= 20", ">= 0")),
    # What the alerts compare
    Mistake("an alert's line elsewhere", "alert_lines", panel("overview", "errors", threshold(0.02))),
    Mistake("an alert's line over another series", "alert_lines",
            query("overview", "errors", f"{FAILING}:ratio_latest", f"{FAILING}:ratio_rate1m")),
    Mistake("the line of an alert that the text doesn't name", "alert_lines",
            panel("stack", "memory", lambda one: one.update(
                description=one["description"].replace("HostMemoryLow", "HostOomKill")))),
    Mistake("no line for an alert", "alert_lines",
            panel("capacity", "busy", lambda one: put(one, *FIELD, "custom", "thresholdsStyle", "mode", "off"))),
    Mistake("a stat that is red elsewhere", "red_from", panel("overview", "slowest", threshold(3))),
    Mistake("a line at another share of the memory", "red_from", query("inside", "memory", "0.9 *", "0.8 *", at=1)),
]  # fmt: skip


@pytest.fixture(scope="module")
def boards() -> Boards:
    return read()


@pytest.fixture(scope="module")
def checks(server: Server, boards: Boards) -> dict[str, Check]:
    return CHECKS | QueryChecks(server, boards).all


def planted(boards: Boards, mistake: Mistake) -> Boards:
    # Quicker than copy.deepcopy().
    changed: Boards = pickle.loads(pickle.dumps(boards))  # noqa: S301
    mistake.plant(changed)
    assert changed != boards, "nothing was changed"
    return changed


@pytest.fixture(scope="module")
def viewers_faults(boards: Boards, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]] | None:
    """What the viewer's check says of each mistake, in one run for all; None where it has not been built."""
    folder = tmp_path_factory.mktemp("mistakes")
    folder.chmod(0o755)
    for at, mistake in enumerate(MISTAKES):
        for (language, name), changed in planted(boards, mistake).models.items():
            if changed != boards.models[language, name]:
                (folder / f"{at}-{language}-{name}.json").write_text(json.dumps(changed))
    try:
        said = docker(
            "run", "--rm", "--network=none", f"--volume={folder}:/mistakes:ro", "--entrypoint=sh", TOOLS,
            "-c", "node check.mjs --json /mistakes/*.json || test $? = 1",
        )  # fmt: skip
    except DockerError as error:
        if "Unable to find image" in str(error):
            return None
        raise
    found: dict[str, list[str]] = {}
    for problem in json.loads(said)["problems"]:
        # Each file stands there once for each mistake.
        if problem["path"] != "uid" or not problem["message"].endswith(" too"):
            what = MISTAKES[int(Path(problem["file"]).name.split("-")[0])].what
            found.setdefault(what, []).append(f"{problem['path']}: {problem['message']}")
    return found


def catching(boards: Boards, mistake: Mistake, checks: dict[str, Check]) -> Iterator[tuple[str, str]]:
    """The checks that notice a mistake, each with the first thing that it says."""
    changed = planted(boards, mistake)
    for name, check in checks.items():
        try:
            found = check(changed)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            found = [f"stumbles over it: {error!r}"]
        if found:
            yield name, found[0]


@needs_engine
@pytest.mark.parametrize("mistake", [pytest.param(one, id=f"{one.what}: {one.caught_by}") for one in MISTAKES])
def test_mistake_is_caught(
    mistake: Mistake, boards: Boards, checks: dict[str, Check], viewers_faults: dict[str, list[str]] | None
) -> None:
    if viewers_faults is None and mistake.caught_by == VIEWER:
        pytest.skip("the viewer's tools are not built here")
    caught = dict(catching(boards, mistake, checks))
    if viewers_faults and mistake.what in viewers_faults:
        caught[VIEWER] = viewers_faults[mistake.what][0]
    print(f"\n{mistake.what}: {', '.join(caught)}")
    assert mistake.caught_by in caught
    assert "stumbles" not in caught[mistake.caught_by]


def test_every_check_catches_something() -> None:
    every = {*CHECKS, *(name for name in vars(QueryChecks) if not name.startswith("_") and name != "all"), VIEWER}
    # A task of the contract without a colour is no mistake of a dashboard.
    assert {mistake.caught_by for mistake in MISTAKES} == every - {"contract_tasks"}


def test_a_task_without_a_colour_is_caught(boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_faults, "TASK_COLORS", {task: "" for task in TASK_COLORS if task != "qa"})
    assert CHECKS["contract_tasks"](boards) == ["qa has no colour, or is no task"]
