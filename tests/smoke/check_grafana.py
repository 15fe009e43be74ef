"""Grafana as a visitor sees it who is not logged in."""

from __future__ import annotations

import pytest

from tests.smoke.fixtures import Run
from tests.smoke.services import Service

DATA_SOURCES = ("prometheus", "alertmanager")
DASHBOARD_UID = "gte-overview"
DASHBOARD_TITLE = "GTE overview"
QUERY = {
    "refId": "A",
    "datasource": {"type": "prometheus", "uid": "prometheus"},
    "expr": 'sum(up{job="prometheus"})',
    "instant": True,
    "range": False,
    "format": "time_series",
    "intervalMs": 15000,
    "maxDataPoints": 10,
}


@pytest.mark.within(10)
def test_is_healthy(grafana: Service) -> None:
    state = grafana.get("/api/health").json()["database"]
    assert state == "ok", f"Grafana's database is {state!r}"


def test_knows_its_data_sources(grafana: Service) -> None:
    # /api/datasources is for administrators; this is what a viewer's browser is told.
    sources = grafana.get("/api/frontend/settings").json()["datasources"].values()
    types = {source.get("uid"): source.get("type") for source in sources}
    for uid in DATA_SOURCES:
        assert uid in types, f"no data source with the uid {uid}; there are {sorted(map(str, types))}"
        assert types[uid] == uid, f"the data source {uid} has the type {types[uid]!r}"


@pytest.mark.within(15)
def test_queries_prometheus_through_its_data_source(grafana: Service, prometheus: Service) -> None:
    answer = grafana.post("/api/ds/query", {"queries": [QUERY], "from": "now-5m", "to": "now"}).json()
    columns = answer["results"]["A"]["frames"][0]["data"]["values"]
    assert len(columns) == 2, f"{len(columns)} columns instead of time and value"
    assert columns[1][0] >= 1, f"a query by way of Grafana gives {columns[1][0]} for {QUERY['expr']}"


def test_has_the_overview_dashboard(grafana: Service) -> None:
    found = grafana.get(f"/api/dashboards/uid/{DASHBOARD_UID}").json()
    title, panels = found["dashboard"]["title"], found["dashboard"]["panels"]
    assert title == DASHBOARD_TITLE, f"the dashboard {DASHBOARD_UID} is called {title!r}"
    assert len(panels) >= 3, f"the dashboard {DASHBOARD_UID} has {len(panels)} panels"
    assert found["meta"]["provisioned"] is True, f"the dashboard {DASHBOARD_UID} does not come from a file"


def test_lists_the_overview_dashboard(grafana: Service) -> None:
    uids = [found["uid"] for found in grafana.get("/api/search?type=dash-db&limit=500").json()]
    assert DASHBOARD_UID in uids, f"the list of dashboards has no {DASHBOARD_UID}: {uids}"


def test_lets_nobody_write_who_is_not_logged_in(grafana: Service, run: Run) -> None:
    uid = f"smoke-{run.word}"
    title = f"Smoke test {run.word}: nobody should be able to write this"
    written = {"dashboard": {"uid": uid, "title": title, "panels": []}, "overwrite": False}
    if grafana.post("/api/dashboards/db", written, 200, 401, 403).status == 200:
        grafana.ask("DELETE", f"/api/dashboards/uid/{uid}")
        pytest.fail("a visitor has written a dashboard; it is deleted again")
