"""A stack in one small HTTP server that answers as the real one should, except where `break_with` says otherwise."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.metric_contract import CONTRACT, Metric

# Status, content type, and the body: a text, or a value for JSON.
Reply = tuple[int, str, Any]
Edit = Callable[[Reply], Reply]

MODEL, REVISION = "iic/nlp_gte_sentence-embedding_chinese-large", "0123456789ab"
PAGE = f"<!doctype html><title>GTE: {MODEL}</title><p>{REVISION}<p>ready: the model has answered a probe text"
HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json", "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
JOBS = ("gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter", "grafana", "an-app")
ENTITIES = [("张三", "person", 0), ("北京", "place", 3), ("奥运会", "event", 8)]
RULES = [
    {"type": kind, "name": name, "query": query, "health": "ok"}
    for kind, name, query in (
        ("recording", "p95", "histogram_quantile(0.95, rate(gte_task_latency_seconds_bucket[1m]))"),
        ("recording", "ratio", "rate(gte_task_requests_total[1m])"),
        ("alerting", "Slow", "p95 > 2"),
        ("alerting", "Errors", "ratio > 0.01"),
    )
]
NODE = """node_memory_MemTotal_bytes 8e+09
node_memory_MemAvailable_bytes 4e+09
node_load1 0.5
node_cpu_seconds_total{cpu="0",mode="idle"} 12.5
node_cpu_seconds_total{cpu="0",mode="user"} 12.5
node_cpu_seconds_total{cpu="0",mode="system"} 12.5
node_filesystem_size_bytes{device="/dev/vda",mountpoint="/"} 2e+10
node_filesystem_avail_bytes{device="/dev/vda",mountpoint="/"} 1e+10
"""
SOURCES = {uid: {"uid": uid, "type": uid} for uid in ("prometheus", "alertmanager")}
DASHBOARD = {"dashboard": {"title": "GTE overview", "panels": [{}, {}, {}]}, "meta": {"provisioned": True}}
# What each route answers always.
CONSTANT: dict[str, Reply] = {
    "GET /gte/healthz": (200, JSON, {"status": "alive"}),
    "GET /gte/readyz": (200, JSON, {"status": "ready", "model": MODEL, "revision": REVISION, "demo": False}),
    "GET /gte/": (200, HTML, PAGE),
    "GET /gte/v1/models": (200, JSON, {"data": [{"id": MODEL}]}),
    "GET /prometheus/-/ready": (200, HTML, "Prometheus Server is Ready."),
    "GET /prometheus/-/healthy": (200, HTML, "Prometheus Server is Healthy."),
    "GET /prometheus/api/v1/rules": (200, JSON, {"data": {"groups": [{"name": "gte", "rules": RULES}]}}),
    "GET /prometheus/api/v1/alertmanagers": (200, JSON, {"data": {"activeAlertmanagers": [{}]}}),
    "GET /alertmanager/-/ready": (200, HTML, "OK"),
    "GET /alertmanager/metrics": (200, TEXT, "alertmanager_config_last_reload_successful 1\n"),
    "GET /inbox/healthz": (200, JSON, {"status": "ok"}),
    "GET /inbox/metrics": (
        200,
        TEXT,
        'alert_inbox_notifications_total{status="firing"} 1.0\nalert_inbox_stored_notifications 1.0\n',
    ),
    "GET /node/": (200, HTML, "<title>Node Exporter</title>"),
    "GET /node/metrics": (200, TEXT, NODE),
    "GET /grafana/api/health": (200, JSON, {"database": "ok"}),
    "GET /grafana/api/frontend/settings": (200, JSON, {"datasources": SOURCES}),
    "POST /grafana/api/ds/query": (200, JSON, {"results": {"A": {"frames": [{"data": {"values": [[1], [1]]}}]}}}),
    "GET /grafana/api/dashboards/uid/gte-overview": (200, JSON, DASHBOARD),
    "GET /grafana/api/search": (200, JSON, [{"uid": "gte-overview"}]),
    "POST /grafana/api/dashboards/db": (403, JSON, {"message": "Access denied"}),
    "GET /viewer/api/health": (200, JSON, {"status": "ok"}),
    "GET /viewer/d/gte-overview": (200, HTML, "<!doctype html>"),
    "GET /viewer/public/viewer.js": (200, "text/javascript; charset=utf-8", "start();"),
    "GET /viewer/api/boards": (200, JSON, [{"uid": "gte-overview", "title": "GTE overview", "file": "a.json"}]),
    "GET /viewer/api/datasource/query": (200, JSON, {"data": {"result": [{"value": [0, "1"]}]}}),
    "GET /viewer/api/datasource/status/config": (404, JSON, {"status": "error"}),
}


class FakeStack:
    """Serves the stack on a free port of the loopback address, until it is closed."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.alerts: list[dict[str, Any]] = []
        self.group_interval = "30s"
        # How many seconds ago each replica was scraped, and replicas that are no targets any more.
        self.scraped_ago = {"gte-service-1": -1.0}
        self.former_replicas: dict[str, float] = {}
        # What each request raises beside, or instead of, its own counters.
        self.count_as: Callable[[Counter[str]], Counter[str]] = lambda own: own
        self.keys_sent: dict[str, str | None] = {}
        self._edits: dict[str, Edit] = {}
        self._lock = threading.Lock()
        stack = self

        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                stack.keys_sent[parts.path.split("/")[1]] = self.headers.get("Authorization")
                status, kind, content = stack.answer(
                    f"{self.command} {parts.path}", dict(parse_qs(parts.query)), body, self.headers.get("Accept", "")
                )
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = reply  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: Any) -> None:
                """Keep the output of the tests clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        url = f"http://127.0.0.1:{self._server.server_port}"
        folders = {"GTE": "gte", "GTE_METRICS": "metrics", "ALERT_INBOX": "inbox", "NODE_EXPORTER": "node"}
        folders |= {name.upper(): name for name in ("prometheus", "alertmanager", "grafana")}
        folders["DASHBOARD_VIEWER"] = "viewer"
        self.settings = {f"SMOKE_{name}_URL": f"{url}/{folder}" for name, folder in folders.items()}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def break_with(self, route: str, edit: Edit) -> None:
        """From now on, change the right answer of a route (`GET /gte/readyz`) into another one."""
        self._edits[route] = edit

    def answer(self, route: str, query: dict[str, list[str]], body: bytes, accept: str) -> Reply:
        answers: dict[str, Callable[[], Reply]] = {
            "POST /gte/predict": lambda: self._predict(body),
            "POST /gte/v1/embeddings": lambda: (
                200,
                JSON,
                {"data": [{"embedding": vector(json.loads(body)["input"])}], "usage": {"total_tokens": 13}},
            ),
            "GET /metrics/metrics": lambda: (
                (200, OPENMETRICS, exposition() + "# EOF\n") if "openmetrics" in accept else (200, TEXT, exposition())
            ),
            "GET /prometheus/api/v1/query": lambda: self._query(query["query"][0]),
            "GET /prometheus/api/v1/targets": lambda: (200, JSON, {"data": {"activeTargets": targets()}}),
            "GET /alertmanager/api/v2/status": lambda: (200, JSON, self._alertmanager()),
            "POST /alertmanager/api/v2/alerts": lambda: self._take_alerts(json.loads(body)),
            "GET /inbox/api/notifications": lambda: (200, JSON, self._notifications(query["alertname"][0])),
            "GET /inbox/": lambda: (200, HTML, "<h1>Alerts</h1>" + json.dumps(self.alerts, ensure_ascii=False)),
        }
        with self._lock:
            # A copy: an edit changes values in place.
            right = answers[route]() if route in answers else CONSTANT.get(route, (404, JSON, {"error": route}))
            reply: Reply = (*right[:2], json.loads(json.dumps(right[2])))
            return self._edits[route](reply) if route in self._edits else reply

    def _predict(self, body: bytes) -> Reply:
        try:
            request = json.loads(body)
        except ValueError:
            return self._refuse("unknown", "invalid_json", None)
        task, text = request["task_type"], request.get("input_text")
        if task not in RESULTS:
            return self._refuse("unknown", "unknown_task", "task_type")
        if text is None:
            return self._refuse(task, "invalid_input", "input_text")
        self._count(task, 'status="success",')
        result = RESULTS[task](text, request)
        return 200, JSON, {"result": result, "task_type": task, "model": MODEL, "request_id": "1", "elapsed_ms": 1.5}

    def _refuse(self, task: str, code: str, field: str | None) -> Reply:
        self._count(task, 'status="invalid",', f'gte_task_errors_total{{reason="{code}",task_type="{task}"}}')
        return 400, JSON, {"error": {"code": code, "message": "no", "field": field, "request_id": "1"}}

    def _count(self, task: str, status: str, *more: str) -> None:
        own = [f'gte_task_requests_total{{{status}task_type="{task}"}}']
        own += [f'gte_task_latency_seconds_count{{task_type="{task}"}}', *more]
        self.counters += self.count_as(Counter(own))

    def _query(self, expression: str) -> Reply:
        now = time.time()
        result = [{"metric": {}, "value": [now, str(now if expression.startswith("vector(time") else 1.0)]}]
        scrapes = self.scraped_ago | self.former_replicas
        # A query that names replicas gets the series of these; any other one those of former replicas too.
        named = re.search("instance=~`(.*)`", expression)
        asked = {name: ago for name, ago in scrapes.items() if not named or re.fullmatch(named[1], name)}
        if expression.startswith("min by"):
            result = [{"metric": {"instance": name}, "value": [now, str(now - ago)]} for name, ago in asked.items()]
        elif expression.startswith("sum by") and asked:
            # Prometheus forgets them one day, between any two readings.
            former = 5.0 * len(asked.keys() & self.former_replicas)
            self.former_replicas.clear()
            result = [
                {"metric": labels(name), "value": [now, str(count + former)]} for name, count in self.counters.items()
            ]
        return 200, JSON, {"data": {"resultType": "vector", "result": result}}

    def _alertmanager(self) -> Any:
        config = f"route:\n  group_interval: {self.group_interval}\nreceivers:\n- webhook_configs:\n  - url: <secret>\n"
        return {"versionInfo": {"version": "0.33.1"}, "config": {"original": config}}

    def _take_alerts(self, alerts: list[dict[str, Any]]) -> Reply:
        for alert in alerts:
            ended = datetime.fromisoformat(alert["endsAt"]).timestamp() <= time.time()
            self.alerts.insert(0, {**alert, "status": "resolved" if ended else "firing"})
        return 200, JSON, {}

    def _notifications(self, name: str) -> Any:
        return {"notifications": [{"alerts": [alert]} for alert in self.alerts if alert["labels"]["alertname"] == name]}


def exposition() -> str:
    """Every series of the contract, of one worker."""
    return "".join(f"{line}\n" for metric in CONTRACT for line in _lines(metric))


def _lines(metric: Metric) -> list[str]:
    # Where a label's values are open, the known ones, one worker and a made-up one.
    open_values = {"model": [MODEL], "revision": [REVISION], "process": ["master", "exporter", "worker-0"]}
    known = [open_values.get(label.name, [*label.values] or ["worker-0"]) for label in metric.labels]
    lines = []
    for values in itertools.product(*known):
        inside = [f'{name}="{value}"' for name, value in zip(metric.label_names, values, strict=True)]
        shown = f"{{{','.join(inside)}}}" if inside else ""
        if metric.kind != "histogram":
            lines.append(f"{metric.name}{shown} 1.0")
            continue
        for bound in (*metric.bounds, "+Inf"):
            bucket = ",".join([*inside, f'le="{bound}"'])
            lines.append(f"{metric.name}_bucket{{{bucket}}} 3.0")
        lines += [f"{metric.name}_count{shown} 3.0", f"{metric.name}_sum{shown} 0.01"]
    return lines


def labels(name: str) -> dict[str, str]:
    """The labels of a counter as Prometheus' API gives them."""
    start, _, rest = name.rstrip("}").partition("{")
    return {"__name__": start} | {k: v.strip('"') for k, v in (pair.split("=") for pair in rest.split(","))}


def targets() -> list[dict[str, Any]]:
    """The targets as Prometheus' API shows them, scraped this moment."""
    up = {"health": "up", "lastError": "", "lastScrape": datetime.now(UTC).isoformat()}
    return [
        {"labels": {"job": job, "instance": f"{job}-1"}, "scrapeUrl": f"http://{job}:1/metrics", **up} for job in JOBS
    ]


def vector(text: str) -> list[float]:
    """One vector for the unrelated text, another for all that are alike."""
    return [0.0, 1.0] if text.startswith("今") else [1.0, 0.0]


def score(left: str, right: str) -> float:
    return float(vector(left) == vector(right))


def similarity(text: Any, request: dict[str, Any]) -> Any:
    if "candidates" in request:
        scores = [score(text, candidate) for candidate in request["candidates"]]
        return {"scores": scores, "ranking": sorted(range(len(scores)), key=lambda i: -scores[i])}
    return [{"score": score(*pair)} for pair in text] if isinstance(text[0], list) else {"score": score(*text)}


RESULTS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "embedding": lambda text, _: vector(text) if isinstance(text, str) else [vector(each) for each in text],
    "similarity": similarity,
    "ner": lambda *_: {"entities": [{"text": text, "type": kind, "start": start} for text, kind, start in ENTITIES]},
    "sentiment": lambda *_: {"ranking": []},
    "classification": lambda *_: {"ranking": []},
    "qa": lambda *_: {"found": False},
    "relation": lambda *_: {"relations": []},
    "event": lambda *_: {"events": []},
}
