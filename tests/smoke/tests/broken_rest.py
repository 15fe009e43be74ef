"""Wrong answers of the other services, one at a time, and what the check that must notice each has to say."""

from __future__ import annotations

from edits import drop, in_json, in_text, no_line, put, with_status
from fake_stack import Broken

TARGETS = "GET /prometheus/api/v1/targets"
RULES = "GET /prometheus/api/v1/rules"

BROKEN: list[Broken] = [
    ("prometheus is ready", "GET /prometheus/-/ready", with_status(503), "503"),
    ("prometheus is healthy", "GET /prometheus/-/healthy", with_status(503), "503"),
    *(
        (
            f"prometheus scrapes {job}",
            TARGETS,
            put("data", "activeTargets", position, "health", value="down"),
            "is down",
        )
        for position, job in enumerate(
            ("prometheus", "gte-service", "node-exporter", "alertmanager", "alert-inbox", "grafana")
        )
    ),
    (
        "prometheus scrapes gte-service",
        TARGETS,
        put("data", "activeTargets", 1, "lastScrape", value="1969-12-31T23:59:59.123456789Z"),
        "http://gte-service:1/metrics was up, but is not scraped any more",
    ),
    (
        "prometheus scrapes gte-service",
        TARGETS,
        drop("data", "activeTargets", 1),
        "no target of the job gte-service",
    ),
    (
        "prometheus has no other target that is down",
        TARGETS,
        put("data", "activeTargets", 6, "health", value="unknown"),
        "http://a-further-one:1/metrics is unknown",
    ),
    (
        "prometheus stores the metrics of gte-service",
        "GET /prometheus/api/v1/query",
        put("data", "result", value=[]),
        "0 series",
    ),
    (
        "prometheus has rules and evaluates each of them",
        RULES,
        put("data", "groups", value=[]),
        "no rule group",
    ),
    (
        "prometheus has rules and evaluates each of them",
        RULES,
        put("data", "groups", 0, "rules", value=[]),
        "is empty",
    ),
    (
        "prometheus has rules and evaluates each of them",
        RULES,
        put("data", "groups", 0, "rules", 2, "health", value="err"),
        "Slow has the health err",
    ),
    (
        "prometheus has an alert on the latency of a task",
        RULES,
        drop("data", "groups", 0, "rules", 2),
        "latency",
    ),
    (
        "prometheus has an alert on the errors of a task",
        RULES,
        drop("data", "groups", 0, "rules", 1),
        "requests_total",
    ),
    (
        "prometheus has found Alertmanager",
        "GET /prometheus/api/v1/alertmanagers",
        put("data", "activeAlertmanagers", value=[]),
        "found no Alertmanager",
    ),
    ("alertmanager is ready", "GET /alertmanager/-/ready", with_status(503), "503"),
    (
        "alertmanager has its configuration",
        "GET /alertmanager/api/v2/status",
        put("config", "original", value="route: {}"),
        "receivers:",
    ),
    (
        "alertmanager has loaded its configuration without error",
        "GET /alertmanager/metrics",
        in_text(" 1", " 0"),
        "reload",
    ),
    ("alert-inbox answers /healthz", "GET /inbox/healthz", put("status", value="bad"), "bad"),
    (
        "alert-inbox answers a scrape",
        "GET /inbox/metrics",
        no_line("alert_inbox_stored"),
        "alert_inbox_stored",
    ),
    (
        "alert-inbox gets an alert that is posted to Alertmanager",
        "GET /inbox/api/notifications",
        put("notifications", value=[]),
        "no notification of SmokeTest-test with the status firing",
    ),
    (
        "alert-inbox gets an alert that is posted to Alertmanager",
        "GET /inbox/api/notifications",
        put("notifications", 0, "alerts", 0, "annotations", "summary", value="????"),
        "????",
    ),
    (
        "alert-inbox gets an alert that is posted to Alertmanager",
        "POST /alertmanager/api/v2/alerts",
        with_status(400),
        "status 400",
    ),
    ("alert-inbox shows that alert on its page", "GET /inbox/", in_text("SmokeTest", "X"), "SmokeTest-test"),
    ("alert-inbox shows that alert on its page", "GET /inbox/", in_text("烟雾", "??"), "summary"),
    (
        "node-exporter answers with its page",
        "GET /node/",
        in_text("Node Exporter", "nginx"),
        "node-exporter's",
    ),
    ("node-exporter measures the memory of the host", "GET /node/metrics", in_text("8e.09", "1"), "can't be"),
    ("node-exporter measures the processors of the host", "GET /node/metrics", in_text("idle", "x"), "idle"),
    ("node-exporter measures the processors of the host", "GET /node/metrics", in_text("12.5", "0"), "is 0"),
    (
        "node-exporter measures the root file system of the host",
        "GET /node/metrics",
        in_text('mountpoint="/"', 'mountpoint="/etc/hosts"'),
        'mountpoint "/"',
    ),
    ("grafana is healthy", "GET /grafana/api/health", put("database", value="failing"), "failing"),
    (
        "grafana knows its data sources",
        "GET /grafana/api/frontend/settings",
        drop("datasources", "Prometheus"),
        "the uid prometheus",
    ),
    (
        "grafana gets an answer from Prometheus by way of its data source",
        "POST /grafana/api/ds/query",
        put("results", "A", value={"error": "connection refused", "status": 500}),
        "frames",
    ),
    (
        "grafana gets an answer from Prometheus by way of its data source",
        "POST /grafana/api/ds/query",
        put("results", "A", "frames", 0, "data", "values", value=[[1], [0]]),
        "gives 0",
    ),
    (
        "grafana has the dashboard gte-overview",
        "GET /grafana/api/dashboards/uid/gte-overview",
        put("dashboard", "title", value="Other"),
        "Other",
    ),
    (
        "grafana has the dashboard gte-overview",
        "GET /grafana/api/dashboards/uid/gte-overview",
        put("meta", "provisioned", value=False),
        "from a file",
    ),
    (
        "grafana lists the dashboard gte-overview",
        "GET /grafana/api/search",
        in_json(lambda found: found.clear()),
        "[]",
    ),
    (
        "grafana lets nobody write who is not logged in",
        "POST /grafana/api/dashboards/db",
        with_status(200),
        "instead of 401 or 403",
    ),
]
