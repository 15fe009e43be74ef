"""Checks Grafana as somebody sees it who is not logged in."""

from __future__ import annotations

from smoke.answers import at, number_at, require, short
from smoke.check import Check, Stack
from smoke.deadline import Deadline

DATA_SOURCES = ("prometheus", "alertmanager")
DASHBOARD_UID = "gte-overview"
DASHBOARD_TITLE = "GTE overview"


def _health(stack: Stack, deadline: Deadline) -> None:
    answer = deadline.until(lambda: stack.at.grafana.get("/api/health", deadline).expect(200)).json()
    state = at(answer, "database", kind=str)
    require(state == "ok", f"Grafana's database is {state!r}")


def _data_sources(stack: Stack, deadline: Deadline) -> None:
    # /api/datasources is for administrators; this is what a viewer's browser is told.
    answer = stack.at.grafana.get("/api/frontend/settings", deadline).expect(200).json()
    sources = at(answer, "datasources", kind=dict).values()
    known = {source.get("uid"): source.get("type") for source in sources if isinstance(source, dict)}
    for uid in DATA_SOURCES:
        require(uid in known, f"no data source with the uid {uid}; there are {short(sorted(map(str, known)))}")
        require(known[uid] == uid, f"the data source {uid} has the type {known[uid]!r}")


def _query(stack: Stack, deadline: Deadline) -> None:
    query = {
        "refId": "A",
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "expr": 'sum(up{job="prometheus"})',
        "instant": True,
        "range": False,
        "format": "time_series",
        "intervalMs": 15000,
        "maxDataPoints": 10,
    }
    asked = {"queries": [query], "from": "now-5m", "to": "now"}

    def attempt() -> None:
        answer = stack.at.grafana.post("/api/ds/query", asked, deadline).expect(200).json()
        columns = at(answer, "results", "A", "frames", 0, "data", "values", kind=list)
        require(len(columns) == 2, f"{len(columns)} columns instead of time and value: {short(columns)}")
        value = number_at(columns, 1, 0)
        require(value >= 1, f"a query by way of Grafana gives {value:g} for {query['expr']}")

    deadline.until(attempt)


def _dashboard(stack: Stack, deadline: Deadline) -> None:
    answer = stack.at.grafana.get(f"/api/dashboards/uid/{DASHBOARD_UID}", deadline).expect(200).json()
    title = at(answer, "dashboard", "title", kind=str)
    require(title == DASHBOARD_TITLE, f"the dashboard {DASHBOARD_UID} is called {title!r}")
    panels = at(answer, "dashboard", "panels", kind=list)
    require(len(panels) >= 3, f"the dashboard {DASHBOARD_UID} has {len(panels)} panels")
    require(
        at(answer, "meta", "provisioned", kind=bool),
        f"the dashboard {DASHBOARD_UID} does not come from a file",
    )


def _search(stack: Stack, deadline: Deadline) -> None:
    found = stack.at.grafana.get("/api/search?type=dash-db&limit=500", deadline).expect(200).json()
    uids = [at(found, position, "uid", kind=str) for position in range(len(at(found, kind=list)))]
    require(DASHBOARD_UID in uids, f"the list of dashboards has no {DASHBOARD_UID}: {short(uids)}")


def _read_only(stack: Stack, deadline: Deadline) -> None:
    uid = f"smoke-{stack.run}"
    dashboard = {
        "uid": uid,
        "title": f"Smoke test {stack.run}: nobody should be able to write this",
        "panels": [],
    }
    answer = stack.at.grafana.post("/api/dashboards/db", {"dashboard": dashboard, "overwrite": False}, deadline)
    if answer.status == 200:
        stack.at.grafana.delete(f"/api/dashboards/uid/{uid}", deadline)
    answer.expect(401, 403)


CHECKS = (
    Check("grafana", "is healthy", _health),
    Check("grafana", "knows its data sources", _data_sources),
    Check(
        "grafana",
        "gets an answer from Prometheus by way of its data source",
        _query,
        15.0,
        frozenset({"prometheus"}),
    ),
    Check("grafana", f"has the dashboard {DASHBOARD_UID}", _dashboard),
    Check("grafana", f"lists the dashboard {DASHBOARD_UID}", _search),
    Check("grafana", "lets nobody write who is not logged in", _read_only),
)
