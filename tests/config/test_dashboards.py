"""The dashboards' files: as Grafana's file provisioning wants them, and as the code writes them."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from grafana.boards import generate
from tests.config.boards import FOLDER, NAMES, board, expressions, panel, panels, provisioned, sources

ROOT = FOLDER.parent
for_each_board = pytest.mark.parametrize("name", NAMES)


def test_there_is_the_overview() -> None:
    assert NAMES == ["gte-overview.json"]
    assert (board("gte-overview.json")["uid"], board("gte-overview.json")["title"]) == ("gte-overview", "GTE overview")


def test_files_are_what_the_code_writes() -> None:
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("damage", ["changed", "missing", "left over"])
def test_check_notices(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "DASHBOARDS", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    file = tmp_path / "gte-overview.json"
    if damage == "changed":
        file.write_text(file.read_text().replace("QPS", "qps"))
    elif damage == "missing":
        file.unlink()
    else:
        (tmp_path / "old.json").write_text("{}")
    assert generate.main(["--check"]) == 1


@for_each_board
def test_model_is_bare(name: str) -> None:
    model = board(name)
    text = (FOLDER / "dashboards" / name).read_text()
    assert isinstance(model["title"], str)
    assert {"dashboard", "__inputs", "__requires", "id", "version"} & set(model) == set()
    assert "${DS_" not in text
    # Grafana 12.4 reads 42 without migrating; a later number would be unknown to it.
    assert model["schemaVersion"] == 42


@for_each_board
def test_every_data_source_is_provisioned(name: str) -> None:
    used = set(sources(board(name)))
    assert used
    assert used <= set(provisioned("datasources", "uid"))
    assert all("datasource" in target for shown in panels(name) for target in shown["targets"])


@for_each_board
def test_panels_have_numbers_of_their_own(name: str) -> None:
    numbers = [shown["id"] for shown in board(name)["panels"]]
    assert len(set(numbers)) == len(numbers)


@for_each_board
def test_panels_lie_beside_each_other_on_the_grid(name: str) -> None:
    def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        return not (beside or above)

    places = [shown["gridPos"] for shown in board(name)["panels"]]
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)


@for_each_board
def test_only_panel_types_that_grafana_still_has(name: str) -> None:
    assert {shown["type"] for shown in panels(name)} <= {"timeseries", "stat", "table", "heatmap"}


@for_each_board
def test_every_panel_says_what_it_shows_and_when_to_worry(name: str) -> None:
    for shown in panels(name):
        assert shown["title"]
        assert "Worry" in shown["description"], shown["title"]
        assert shown["fieldConfig"]["defaults"]["unit"], shown["title"]
        assert shown["pluginVersion"], shown["title"]


@for_each_board
def test_variables_are_defined(name: str) -> None:
    defined = {variable["name"] for variable in board(name)["templating"]["list"]} | {"__rate_interval", "1"}
    used = {variable for expression in expressions(name) for variable in re.findall(r"\$\{?(\w+)", expression)}
    assert used <= defined


@for_each_board
def test_windows_follow_the_zoom(name: str) -> None:
    windows = {window for expression in expressions(name) for window in re.findall(r"\[([^]]*)\]", expression)}
    assert windows == {"$__rate_interval"}


@for_each_board
def test_big_values_and_tables_show_the_present(name: str) -> None:
    for shown in panels(name):
        for target in shown["targets"]:
            present = shown["type"] in ("stat", "table")
            assert (target["instant"], target["range"]) == (present, not present), shown["title"]


@for_each_board
def test_heatmaps_show_the_buckets_of_prometheus(name: str) -> None:
    for shown in panels(name):
        if shown["type"] == "heatmap":
            assert shown["options"]["calculate"] is False
            assert [target["format"] for target in shown["targets"]] == ["heatmap"]
            assert "by (le)" in shown["targets"][0]["expr"]


@pytest.mark.parametrize(
    ("title", "rule"),
    [
        ("P95 latency by task", r'gte_task_latency_seconds_bucket\{le=~"(\d)'),
        ("Share of errors by task", r"^ +\) > ([\d.]+)$"),
    ],
)
def test_lines_of_thresholds_are_those_of_the_alerts(title: str, rule: str) -> None:
    (threshold,) = set(re.findall(rule, (ROOT / "prometheus/rules/gte-tasks.yml").read_text(), re.M))
    shown = panel("gte-overview.json", title)["fieldConfig"]["defaults"]
    assert [step["value"] for step in shown["thresholds"]["steps"]] == [None, float(threshold)]
    assert shown["custom"]["thresholdsStyle"]["mode"] == "dashed"


def test_the_demo_model_is_marked() -> None:
    shown = panel("gte-overview.json", "Model and revision")
    (demo,) = [target for target in shown["targets"] if "DEMO" in target["legendFormat"]]
    assert 'model=~"builtin:.+"' in demo["expr"]
    (override,) = shown["fieldConfig"]["overrides"]
    assert override["matcher"] == {"id": "byFrameRefID", "options": demo["refId"]}


def test_tasks_can_be_chosen() -> None:
    (variable,) = board("gte-overview.json")["templating"]["list"]
    assert (variable["multi"], variable["includeAll"]) == (True, True)
    assert variable["query"]["query"] == "label_values(gte_task_requests_total, task_type)"


def test_smallest_window_follows_the_scrape_interval() -> None:
    (interval,) = re.findall(r"^  scrape_interval: (\w+)$", (ROOT / "prometheus/prometheus.yml").read_text(), re.M)
    assert provisioned("datasources", "timeInterval") == [interval]
    assert f"DASHBOARD_VIEWER_SCRAPE_INTERVAL: {interval}\n" in (ROOT / "compose.yaml").read_text()


def test_data_sources_are_the_services_of_the_stack() -> None:
    assert provisioned("datasources", "uid") == ["prometheus", "alertmanager"]
    assert provisioned("datasources", "url") == ["http://prometheus:9090", "http://alertmanager:9093"]
    assert provisioned("datasources", "implementation") == ["prometheus"]


def test_dashboards_are_read_from_where_compose_mounts_them() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    (path,) = provisioned("dashboards", "path")
    assert f"./grafana/dashboards:{path}:ro" in compose
    assert f"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: {path}/gte-overview.json" in compose
    # At 10 s and less Grafana waits for file events, which bind mounts may not deliver.
    assert int(provisioned("dashboards", "updateIntervalSeconds")[0]) > 10


def test_grafana_can_read_its_files() -> None:
    unreadable: list[Any] = [
        path
        for folder in ("provisioning", "dashboards")
        for path in (FOLDER / folder, *(FOLDER / folder).rglob("*"))
        if not path.stat().st_mode & (0o001 if path.is_dir() else 0o004)
    ]
    assert unreadable == []
