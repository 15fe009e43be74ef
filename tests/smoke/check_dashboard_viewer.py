"""The viewer, which shows the dashboards where Grafana is left out. Beside Grafana these checks are not made."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.smoke.check_grafana import DASHBOARD_TITLE, DASHBOARD_UID
from tests.smoke.services import Service

EXPRESSION = 'sum(up{job="prometheus"})'


@pytest.mark.within(10)
def test_answers_its_health(dashboard_viewer: Service) -> None:
    state = dashboard_viewer.get("/api/health").json()["status"]
    assert state == "ok", f"the status is {state!r} instead of 'ok'"


def test_serves_its_page_and_program(dashboard_viewer: Service) -> None:
    page = dashboard_viewer.get(f"/d/{DASHBOARD_UID}")
    assert page.content_type.startswith("text/html"), f"the page has the type {page.content_type}"
    program = dashboard_viewer.get("/public/viewer.js")
    assert "javascript" in program.content_type, f"the page's program has the type {program.content_type}"


def test_reads_every_dashboard_file(dashboard_viewer: Service) -> None:
    boards = dashboard_viewer.get("/api/boards").json()
    broken = [f"{board['file']}: {board['error']}" for board in boards if "error" in board]
    assert not broken, f"it can't use {'; '.join(broken)}"
    titles = {board["uid"]: board["title"] for board in boards}
    assert titles.get(DASHBOARD_UID) == DASHBOARD_TITLE, f"the dashboards are {titles}"


@pytest.mark.within(15)
def test_passes_queries_on_to_prometheus(dashboard_viewer: Service, prometheus: Service) -> None:
    answer = dashboard_viewer.get(f"/api/datasource/query?{urlencode({'query': EXPRESSION})}").json()
    found = answer["data"]["result"]
    assert found, f"a query by way of the viewer gives nothing for {EXPRESSION}"
    assert float(found[0]["value"][1]) >= 1, f"it gives {found[0]['value'][1]} for {EXPRESSION}"


def test_passes_nothing_but_queries_on(dashboard_viewer: Service) -> None:
    dashboard_viewer.ask("GET", "/api/datasource/status/config", statuses=(404,))
