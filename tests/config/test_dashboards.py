"""The dashboards' files: as Grafana's file provisioning wants them, as the code writes them, as a reader needs them.

The checks themselves are in board_faults.py and board_queries.py; test_board_mistakes.py shows that each can fail.
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from grafana.boards import generate
from grafana.boards.panels import TASK_COLORS
from grafana.boards.texts import LANGUAGES
from tests.config.board_colors import SIGHTS, contrast, distance
from tests.config.board_faults import CHECKS
from tests.config.boards import FOLDER, NAMES, Boards, provisioned, read, sources

ROOT = FOLDER.parent


@pytest.fixture(scope="module")
def boards() -> Boards:
    return read()


@pytest.mark.parametrize("check", CHECKS)
def test_the_dashboards_have_no_fault(check: str, boards: Boards) -> None:
    assert CHECKS[check](boards) == []


def test_there_are_four_dashboards_in_two_languages(boards: Boards) -> None:
    assert set(boards.models) == {(language, name) for language in LANGUAGES for name in NAMES}


def test_files_are_what_the_code_writes() -> None:
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("damage", ["changed", "missing", "left over", "left over where no language is"])
def test_check_notices(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "DASHBOARDS", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    file = tmp_path / "zh" / "gte-overview.json"
    if damage == "changed":
        file.write_text(file.read_text().replace("QPS", "qps"))
    elif damage == "missing":
        file.unlink()
    elif damage == "left over":
        (tmp_path / "en" / "old.json").write_text("{}")
    else:
        (tmp_path / "gte-overview.json").write_text("{}")
    assert generate.main(["--check"]) == 1


@pytest.mark.parametrize("sight", SIGHTS)
def test_tasks_are_told_apart_by_their_colours(sight: str) -> None:
    # "unknown" is grey, which is near one or two of them to some; it has a line only where a client is wrong.
    tasks = [task for task in TASK_COLORS if task != "unknown"]
    near = {
        pair: distance(TASK_COLORS[pair[0]], TASK_COLORS[pair[1]], sight)
        for pair in combinations(tasks, 2)
        if distance(TASK_COLORS[pair[0]], TASK_COLORS[pair[1]], sight) < 20
    }
    assert near == {}


def test_colours_of_tasks_are_seen_on_the_light_and_on_the_dark_ground() -> None:
    assert [task for task, color in TASK_COLORS.items() if contrast(color, "#FFFFFF") < 1.9] == []
    assert [task for task, color in TASK_COLORS.items() if contrast(color, "#181b1f") < 2.4] == []


def test_colours_that_are_alike_are_noticed() -> None:
    assert distance("#FFFFFF", "#000000", "normal") == pytest.approx(100)
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    # Red and green of equal lightness.
    assert distance("#D93F3F", "#3F8F3F", "normal") > 80
    assert distance("#D93F3F", "#3F8F3F", "green-blind") < 20


def test_the_demo_model_is_marked(boards: Boards) -> None:
    shown = boards.panel("overview", "model")
    (demo,) = [target for target in shown["targets"] if "DEMO" in target["legendFormat"]]
    assert 'model=~"builtin:.+"' in demo["expr"]
    (color,) = [
        one["properties"] for one in shown["fieldConfig"]["overrides"] if one["matcher"]["options"] == demo["refId"]
    ]
    assert color == [{"id": "color", "value": {"mode": "fixed", "fixedColor": "orange"}}]


@pytest.mark.parametrize("name", ["overview", "inside", "capacity"])
def test_tasks_can_be_chosen(name: str, boards: Boards) -> None:
    (variable,) = [one for one in boards.models["en", name]["templating"]["list"] if one["name"] == "task_type"]
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")
    assert variable["query"]["query"] == 'label_values(gte_task_requests_total{job=~"$job"}, task_type)'


def test_smallest_window_follows_the_scrape_interval() -> None:
    (interval,) = re.findall(r"^  scrape_interval: (\w+)$", (ROOT / "prometheus/prometheus.yml").read_text(), re.M)
    assert provisioned("datasources", "timeInterval") == [interval]
    assert f"DASHBOARD_VIEWER_SCRAPE_INTERVAL: {interval}\n" in (ROOT / "compose.yaml").read_text()


def test_data_sources_are_the_services_of_the_stack(boards: Boards) -> None:
    assert provisioned("datasources", "uid") == ["prometheus", "alertmanager"]
    assert provisioned("datasources", "url") == ["http://prometheus:9090", "http://alertmanager:9093"]
    assert provisioned("datasources", "implementation") == ["prometheus"]
    chosen = {model["templating"]["list"][0]["current"]["value"] for model in boards.models.values()}
    assert chosen <= set(provisioned("datasources", "uid"))
    assert set(sources(boards.models["en", "overview"])) == {"${datasource}"}


def test_dashboards_are_read_from_where_compose_mounts_them() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    paths = provisioned("dashboards", "path")
    (folder,) = {str(Path(path).parent) for path in paths}
    assert [Path(path).name for path in paths] == list(LANGUAGES)
    assert f"./grafana/dashboards:{folder}:ro" in compose
    (home,) = re.findall(r"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: (\S+)$", compose, re.M)
    assert home.startswith(f"{folder}/${{DASHBOARD_LANGUAGE:-en}}/")
    assert all((FOLDER / "dashboards" / language / Path(home).name).is_file() for language in LANGUAGES)
    # At 10 s and less Grafana waits for file events, which bind mounts may not deliver.
    assert all(int(seconds) > 10 for seconds in provisioned("dashboards", "updateIntervalSeconds"))
    # A dashboard that is renamed must not stay for good.
    assert set(provisioned("dashboards", "disableDeletion")) == {"false"}


def test_grafana_can_read_its_files() -> None:
    unreadable: list[Any] = [
        path
        for folder in ("provisioning", "dashboards")
        for path in (FOLDER / folder, *(FOLDER / folder).rglob("*"))
        if not path.stat().st_mode & (0o001 if path.is_dir() else 0o004)
    ]
    assert unreadable == []


def test_no_model_is_in_a_form_that_grafana_can_not_provision(boards: Boards) -> None:
    assert all(isinstance(model["title"], str) for model in boards.models.values())
    assert json.dumps(list(boards.models.values())).count('"spec"') == 0
