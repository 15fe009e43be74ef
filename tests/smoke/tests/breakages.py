"""Wrong answers, one at a time, each with the check that must notice it and what that check has to tell."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.smoke.tests.fake_stack import Edit, Reply


class Breakage(NamedTuple):
    """The file and name of a check, the route whose answer is wrong, how, and what the check's line has to hold."""

    file: str
    check: str
    route: str
    edit: Edit
    reason: str


def status(new: int) -> Edit:
    return lambda reply: (new, *reply[1:])


def kind(new: str) -> Edit:
    return lambda reply: (reply[0], new, reply[2])


def text(old: str, new: str) -> Edit:
    """Put `new` for every match of a regular expression, of which there must be one."""

    def edit(reply: Reply) -> Reply:
        changed, count = re.subn(old, new, reply[2])
        assert count, f"{old} is not in the answer, so nothing would be broken"
        return (*reply[:2], changed)

    return edit


def no_line(start: str) -> Edit:
    return text(rf"(?m)^{re.escape(start)}.*\n", "")


def at(path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Edit:
    """Change the container that the last step of a path through the JSON answer is in."""

    def edit(reply: Reply) -> Reply:
        change(functools.reduce(operator.getitem, path[:-1], reply[2]), path[-1])
        return reply

    return edit


def put(*path: Any, value: Any) -> Edit:
    return at(path, lambda container, key: operator.setitem(container, key, value))


def drop(*path: Any) -> Edit:
    return at(path, operator.delitem)


PREDICT, READYZ, METRICS = "POST /gte/predict", "GET /gte/readyz", "GET /metrics/metrics"
TARGETS, RULES = "GET /prometheus/api/v1/targets", "GET /prometheus/api/v1/rules"
INBOX, OVERVIEW = "GET /inbox/api/notifications", "GET /grafana/api/dashboards/uid/gte-overview"
READY, PAGE = "is_ready_and_names_model_and_revision_at_readyz", "shows_a_page_that_names_model_and_state"
LIST, SIMILAR = "answers_an_embedding_for_each_text_of_a_list", "scores_similar_texts_above_unrelated_ones"
RANKS, OPENAI = "ranks_candidates_the_best_first", "answers_openai_clients_at_v1"
ENTITIES, REFUSES = "finds_person_place_and_event_in_a_sentence", "refuses_a_request[without a text]"
TASKS = "has_the_series_of_the_contract_for_every_task"
ASKED = "answers_its_own_question_of_every_task"
OTHERS = "has_the_series_of_the_contract_for_model_workers_and_processes"
FIRES, SHOWN = "gets_an_alert_that_is_posted_to_alertmanager", "shows_that_alert_on_its_page"
QUERIES = "queries_prometheus_through_its_data_source"
PASSES = "passes_queries_on_to_prometheus"

_GTE = [
    ("answers_healthz", "GET /gte/healthz", status(500), "status 500 instead of 200"),
    ("answers_healthz", "GET /gte/healthz", put("status", value="?"), "'?' instead of 'alive'"),
    (READY, READYZ, lambda reply: (503, reply[1], {"detail": "downloading 43 %"}), "downloading 43 %"),
    (READY, READYZ, drop("revision"), "KeyError: 'revision'"),
    (READY, READYZ, put("model", value=""), "model is empty"),
    (READY, READYZ, put("demo", value="no"), "demo"),
    (PAGE, "GET /gte/", text("nlp_gte", "bert"), "doesn't show 'iic/nlp_gte"),
    (PAGE, "GET /gte/", text("ready", "busy"), "doesn't show 'ready'"),
    (PAGE, "GET /gte/", kind("text/plain"), "text/html"),
    ("answers_an_embedding", PREDICT, put("result", value=[3.0, 4.0]), "length 5.0"),
    ("answers_an_embedding", PREDICT, put("result", value=[float("nan"), 1.0]), "length nan"),
    ("answers_an_embedding", PREDICT, put("result", value=[]), "no vector"),
    ("answers_an_embedding", PREDICT, put("task_type", value="ner"), "instead of 'embedding'"),
    ("answers_an_embedding", PREDICT, put("request_id", value=""), "request_id is empty"),
    ("answers_an_embedding", PREDICT, drop("elapsed_ms"), "elapsed_ms"),
    ("answers_an_embedding", PREDICT, lambda _: (200, "text/html", "<p>hello"), "no JSON"),
    (LIST, PREDICT, drop("result", 1), "2 vectors for 3 texts"),
    (LIST, PREDICT, put("result", 2, value=[0.6, 0.8]), "the same text twice"),
    (LIST, PREDICT, put("result", value=[[0.6, 0.8]] * 3), "different texts give the same vector"),
    (SIMILAR, PREDICT, put("result", 0, "score", value=-0.5), "the unrelated"),
    (SIMILAR, PREDICT, put("result", 0, "score", value=7.0), "cosines"),
    ("scores_a_text_with_itself_as_the_same", PREDICT, put("result", "score", value=0.5), "0.5 with itself"),
    (RANKS, PREDICT, put("result", "ranking", value=[0, 1]), "[0, 1]"),
    (RANKS, PREDICT, put("result", "scores", value=[0.9, 0.1]), "unrelated"),
    (ENTITIES, PREDICT, put("result", "entities", 1, "type", value="person"), "('北京', 'place', 3) is not among"),
    (ENTITIES, PREDICT, drop("result", "entities", 2), "奥运会"),
    *((f"answers_the_task[{task}]", PREDICT, put("result", value={"?": 1}), f"the result of {task} lacks")
      for task in ("sentiment", "classification", "qa", "relation", "event")),
    ("answers_the_task[qa]", PREDICT, put("result", value=[]), "no object"),
    (OPENAI, "GET /gte/v1/models", put("data", value=[]), "IndexError"),
    (OPENAI, "POST /gte/v1/embeddings", put("data", 0, "embedding", value=[3.0, 4.0]), "length 5.0"),
    (OPENAI, "POST /gte/v1/embeddings", put("usage", "total_tokens", value=0), "no tokens"),
    (REFUSES, PREDICT, status(200), "instead of 400"),
    (REFUSES, PREDICT, drop("error", "request_id"), "request_id"),
    (REFUSES, PREDICT, put("error", "message", value=""), "message is empty"),
    (REFUSES, PREDICT, put("error", "field", value="task_type"), "field"),
    ("refuses_a_request[that is no JSON]", PREDICT, status(500), "instead of 400"),
    ("refuses_a_request[of an unknown task]", PREDICT, put("error", "code", value="internal"), "code"),
]  # fmt: skip
_METRICS = [
    ("answers_a_scrape_in_the_text_format", METRICS, kind("text/html"), "text/plain"),
    ("answers_a_scrape_in_the_text_format", METRICS, text(r"(?s).*", ""), "no samples"),
    ("answers_a_scrape_in_the_text_format", METRICS, text("gte_workers 1", "gte_workers{a=1} 1"), "no sample: 'gte_w"),
    ("answers_a_scrape_in_openmetrics_when_asked", METRICS, kind("text/plain"), "OpenMetrics"),
    ("answers_a_scrape_in_openmetrics_when_asked", METRICS, text("# EOF\n", ""), "EOF"),
    (TASKS, METRICS, no_line('gte_task_requests_total{task_type="unknown",status="invalid"'), "unknown"),
    (TASKS, METRICS, no_line('gte_task_errors_total{task_type="ner",reason="deadline"'), "deadline"),
    (TASKS, METRICS, text('le="2.0"', 'le="3.0"'), "bounds"),
    (TASKS, METRICS, text(r'(embedding",le="\+Inf"}) 3.0', r"\1 2.0"), "cumulative"),
    (TASKS, METRICS, text(r"(latency_seconds_count.*) 3.0", r"\1 4.0"), "its last bucket"),
    (TASKS, METRICS, text(r"(gte_active_requests.*) 1.0", r"\1 -1.0"), "-1"),
    (ASKED, METRICS, no_line('gte_probe_success{task_type="ner"'), "0 samples of gte_probe_success"),
    (ASKED, METRICS, no_line('gte_probe_seconds{task_type="qa"'), "0 samples of gte_probe_seconds"),
    (ASKED, METRICS, text('(gte_probe_success{task_type="(?:qa|ner)"}) 1.0', r"\1 0.0"), "no answer for ner, qa"),
    (OTHERS, METRICS, no_line('gte_limit{resource="threads"'), "0 samples of gte_limit"),
    (OTHERS, METRICS, no_line("gte_model_download_bytes"), "0 samples of gte_model_download_bytes"),
    (OTHERS, METRICS, text("(gte_queue_depth) 1.0", r"\1 1.0\n\1 2.0"), "2 samples of gte_queue_depth"),
    (OTHERS, METRICS, text("gte_workers 1.0", "gte_workers 0.0"), "gte_workers is 0"),
    (OTHERS, METRICS, text("gte_server_up 1.0", "gte_server_up 0.0"), "gte_server_up is 0"),
    (OTHERS, METRICS, no_line('gte_backlog_connections{queue="unread"'), "unread"),
    (OTHERS, METRICS, no_line('gte_phase_seconds_sum{phase="queue"'), "gte_phase_seconds_sum"),
    (OTHERS, METRICS, no_line('gte_process_threads{process="worker-0"'), "gte_process_threads has 0 workers"),
    (OTHERS, METRICS, no_line('gte_process_open_fds{process="master"'), "master"),
    (OTHERS, METRICS, text("gte_workers 1.0", "gte_workers 2.0"), "has 1 workers, gte_workers is 2"),
    (OTHERS, METRICS, no_line("flask_exporter_info"), "flask_exporter_info"),
    ("names_the_same_model_in_its_metrics_as_at_readyz", METRICS, text("0123456789ab", "0"), "revision"),
    ("names_the_same_model_in_its_metrics_as_at_readyz", METRICS, text("precision", "p"), "precision"),
]
_PROMETHEUS = [
    ("is_ready", "GET /prometheus/-/ready", status(503), "503"),
    ("is_healthy", "GET /prometheus/-/healthy", status(503), "503"),
    *((f"scrapes[{job}]", TARGETS, put("data", "activeTargets", place, "health", value="down"), "is down")
      for place, job in enumerate(
          ("gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter", "grafana"))),
    ("scrapes[gte-service]", TARGETS, put("data", "activeTargets", 0, "lastScrape", value="1969-12-31T23:59:59Z"),
     "http://gte-service:1/metrics was up, but is not scraped any more"),
    ("scrapes[gte-service]", TARGETS, drop("data", "activeTargets", 0), "no target of the job gte-service"),
    ("has_no_other_target_that_is_down", TARGETS, put("data", "activeTargets", 6, "health", value="unknown"),
     "http://an-app:1/metrics is unknown"),
    ("stores_the_metrics_of_gte_service", "GET /prometheus/api/v1/query", put("data", "result", value=[]), "0 series"),
    ("has_rules_and_evaluates_each_of_them", RULES, put("data", "groups", value=[]), "no rule group"),
    ("has_rules_and_evaluates_each_of_them", RULES, put("data", "groups", 0, "rules", value=[]), "is empty"),
    ("has_rules_and_evaluates_each_of_them", RULES, put("data", "groups", 0, "rules", 2, "health", value="err"),
     "Slow has the health err"),
    ("has_an_alert_on_task[latency]", RULES, drop("data", "groups", 0, "rules", 2), "latency"),
    ("has_an_alert_on_task[errors]", RULES, drop("data", "groups", 0, "rules", 1), "requests_total"),
    ("has_found_alertmanager", "GET /prometheus/api/v1/alertmanagers", put("data", "activeAlertmanagers", value=[]),
     "found no Alertmanager"),
]  # fmt: skip
_ALERTS = [
    ("is_ready", "GET /alertmanager/-/ready", status(503), "503"),
    ("has_its_configuration", "GET /alertmanager/api/v2/status", put("config", "original", value="route: {}"),
     "receivers:"),
    ("has_loaded_its_configuration_without_error", "GET /alertmanager/metrics", text(" 1", " 0"), "reload"),
    ("answers_healthz", "GET /inbox/healthz", put("status", value="bad"), "bad"),
    ("answers_a_scrape", "GET /inbox/metrics", no_line("alert_inbox_stored"), "alert_inbox_stored"),
    (FIRES, INBOX, put("notifications", value=[]), "with the status firing in the inbox"),
    (FIRES, INBOX, put("notifications", 0, "alerts", 0, "annotations", "summary", value="????"), "????"),
    (FIRES, INBOX, put("notifications", 0, "alerts", 0, "startsAt", value="2999-01-01T00:00:00Z"), "in the future"),
    (FIRES, "POST /alertmanager/api/v2/alerts", status(400), "status 400"),
    (SHOWN, "GET /inbox/", text("SmokeTest", "X"), "SmokeTest-"),
    (SHOWN, "GET /inbox/", text("冒烟", "??"), "冒烟"),
    ("is_told_when_that_alert_ends", INBOX, lambda reply: (*reply[:2], {"notifications": [
        each for each in reply[2]["notifications"] if each["alerts"][0]["status"] == "firing"]}), "status resolved"),
]  # fmt: skip
_NODE = [
    ("answers_with_its_page", "GET /node/", text("Node Exporter", "nginx"), "node-exporter's"),
    ("measures_the_memory_of_the_host", "GET /node/metrics", text("8e.09", "1"), "can't be"),
    ("measures_the_processors_of_the_host", "GET /node/metrics", text("idle", "x"), "idle"),
    ("measures_the_processors_of_the_host", "GET /node/metrics", text("12.5", "0"), "is 0"),
    ("measures_the_root_file_system_of_the_host", "GET /node/metrics", text('mountpoint="/"', 'mountpoint="/etc"'),
     'mountpoint "/"'),
]  # fmt: skip
_GRAFANA = [
    ("is_healthy", "GET /grafana/api/health", put("database", value="failing"), "failing"),
    ("knows_its_data_sources", "GET /grafana/api/frontend/settings", drop("datasources", "prometheus"),
     "the uid prometheus"),
    (QUERIES, "POST /grafana/api/ds/query", put("results", "A", value={"error": "connection refused"}), "refused"),
    (QUERIES, "POST /grafana/api/ds/query", put("results", "A", "frames", 0, "data", "values", value=[[1], [0]]),
     "gives 0"),
    ("has_the_overview_dashboard", OVERVIEW, put("dashboard", "title", value="Other"), "Other"),
    ("has_the_overview_dashboard", OVERVIEW, put("meta", "provisioned", value=False), "from a file"),
    ("lists_the_overview_dashboard", "GET /grafana/api/search", drop(0), "[]"),
    ("lets_nobody_write_who_is_not_logged_in", "POST /grafana/api/dashboards/db", status(200), "/api/dashboards/uid/"),
]  # fmt: skip
_VIEWER = [
    ("answers_its_health", "GET /viewer/api/health", put("status", value="bad"), "'bad' instead of 'ok'"),
    ("serves_its_page_and_program", "GET /viewer/d/gte-overview", kind("text/plain"), "text/plain"),
    ("serves_its_page_and_program", "GET /viewer/public/viewer.js", status(404), "status 404"),
    (
        "serves_its_page_and_program",
        "GET /viewer/public/viewer.js",
        kind("text/html"),
        "program has the type text/html",
    ),
    ("reads_every_dashboard_file", "GET /viewer/api/boards", put(0, "error", value="no uid"), "a.json: no uid"),
    ("reads_every_dashboard_file", "GET /viewer/api/boards", drop(0), "the dashboards are {}"),
    (PASSES, "GET /viewer/api/datasource/query", put("data", "result", value=[]), "gives nothing"),
    (PASSES, "GET /viewer/api/datasource/query", put("data", "result", 0, "value", 1, value="0"), "it gives 0"),
    ("passes_nothing_but_queries_on", "GET /viewer/api/datasource/status/config", status(200), "status 200"),
]
_FILES: dict[str, list[tuple[str, str, Edit, str]]] = {
    "check_gte_service.py": _GTE,
    "check_gte_metrics.py": _METRICS,
    "check_prometheus.py": _PROMETHEUS,
    "check_alerts.py": _ALERTS,
    "check_node_exporter.py": _NODE,
    "check_grafana.py": _GRAFANA,
    "check_dashboard_viewer.py": _VIEWER,
}
BREAKAGES = [Breakage(file, *row) for file, rows in _FILES.items() for row in rows]
