"""A stack in one small HTTP server that answers as the real one should, and can be made to answer wrongly.

It exists to prove that each check fails when it should: the checks are what is tested here, the real stack is
tested by the checks.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fake_metrics import alertmanager_metrics, gte_metrics, inbox_metrics, node_metrics

MODEL = "iic/nlp_gte_sentence-embedding_chinese-large"
REVISION = "0123456789ab"
PAGE = f"<!doctype html><title>GTE: {MODEL}</title><p>{REVISION}<p>ready: the model has answered a probe text"
HTML, JSON = "text/html; charset=utf-8", "application/json"
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# status, content type, body (a value for JSON, otherwise text)
Reply = tuple[int, str, Any]
Edit = Callable[[Reply], Reply]
# The sentence of a check, the route whose answer is broken, how, and what the failure must name.
Broken = tuple[str, str, Edit, str]


class FakeStack:
    """Answers like a stack in which all is well, except where `edit` says otherwise."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.alerts: list[dict[str, Any]] = []
        self.group_interval = "30s"
        self.scrape_lag = -1.0
        self.count_as: Callable[[str, str], list[tuple[str, str]]] = lambda task, status: [(task, status)]
        self._edits: dict[str, Edit] = {}
        self._lock = threading.Lock()

    def edit(self, route: str, edit: Edit) -> None:
        """From now on, changes the right answer of a route (`GET /gte/readyz`) into another one."""
        self._edits[route] = edit

    def answer(self, method: str, target: str, body: bytes, accept: str) -> Reply:
        """What is answered to a request."""
        parts = urlsplit(target)
        route = f"{method} {parts.path}"
        with self._lock:
            handler = ROUTES.get(route)
            if handler is None:
                return 404, JSON, {"error": f"no such route: {route}"}
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
            reply: Reply = handler(self, asked, body, accept)
            return self._edits.get(route, _unchanged)(reply)

    def count(self, task: str, status: str, reason: str | None = None) -> None:
        """Counts a request as gte-service would."""
        for counted in self.count_as(task, status):
            self.requests[counted] += 1
        if reason:
            self.errors[task, reason] += 1

    def predict(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """POST /predict."""
        try:
            request = json.loads(body)
        except ValueError:
            return self.refuse("unknown", "invalid_json", None)
        task = request.get("task_type")
        if task not in RESULTS:
            return self.refuse("unknown", "unknown_task", "task_type")
        if "input_text" not in request:
            return self.refuse(task, "invalid_input", "input_text")
        self.count(task, "success")
        answer = {
            "result": RESULTS[task](request),
            "task_type": task,
            "model": MODEL,
            "request_id": "1",
            "elapsed_ms": 1.5,
        }
        return 200, JSON, answer

    def embeddings(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """POST /v1/embeddings."""
        self.count("embedding", "success")
        vector = characters(json.loads(body)["input"])
        return 200, JSON, {"data": [{"index": 0, "embedding": vector}], "usage": {"total_tokens": 13}}

    def refuse(self, task: str, code: str, field: str | None) -> Reply:
        """An error in the agreed shape."""
        self.count(task, "invalid", code)
        return 400, JSON, {"error": {"code": code, "message": "no", "field": field, "request_id": "1"}}

    def metrics(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """GET /metrics of gte-service."""
        text = gte_metrics(MODEL, REVISION, self.requests, self.errors)
        if "openmetrics" in accept:
            return 200, OPENMETRICS, text + "# EOF\n"
        return 200, TEXT_FORMAT, text

    def query(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """GET /api/v1/query of Prometheus, for the few queries that the checks make."""
        expression, now = asked["query"], time.time()
        if expression == "vector(time())":
            return vector([({}, now)])
        if expression.startswith("min(timestamp("):
            return vector([({}, now - self.scrape_lag)])
        if expression.startswith("max(gte_model_ready"):
            return vector([({}, 1)])
        seen: list[tuple[dict[str, str], float]] = []
        latency: Counter[str] = Counter()
        for (task, status), count in self.requests.items():
            seen.append(({"__name__": "gte_task_requests_total", "task_type": task, "status": status}, count))
            latency[task] += count
        for (task, reason), count in self.errors.items():
            seen.append(({"__name__": "gte_task_errors_total", "task_type": task, "reason": reason}, count))
        for task, count in latency.items():
            seen.append(({"__name__": "gte_task_latency_seconds_count", "task_type": task}, count))
        return vector(seen)

    def post_alerts(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """POST /api/v2/alerts of Alertmanager; the inbox is told at once."""
        for alert in json.loads(body):
            ended = datetime.fromisoformat(alert["endsAt"]).timestamp() <= time.time()
            told = {"startsAt": alert["endsAt"], **alert, "status": "resolved" if ended else "firing"}
            told.setdefault("annotations", {})
            self.alerts.insert(0, told)
        return 200, JSON, {}

    def notifications(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """GET /api/notifications of alert-inbox."""
        mine = [alert for alert in self.alerts if alert["labels"]["alertname"] == asked["alertname"]]
        return (
            200,
            JSON,
            {"notifications": [{"status": alert["status"], "alerts": [alert]} for alert in mine]},
        )

    def alertmanager_status(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """GET /api/v2/status of Alertmanager."""
        config = f"route:\n  group_interval: {self.group_interval}\nreceivers:\n- webhook_configs:\n  - url: <secret>\n"
        return 200, JSON, {"versionInfo": {"version": "0.33.1"}, "config": {"original": config}}

    def inbox_page(self, asked: dict[str, str], body: bytes, accept: str) -> Reply:
        """The page of alert-inbox."""
        shown = [f"<h3>{a['labels']['alertname']}</h3><p>{a['annotations'].get('summary')}" for a in self.alerts]
        return 200, HTML, "<!doctype html><h1>Alerts</h1>" + "".join(shown)


def _unchanged(right: Reply) -> Reply:
    return right


def vector(samples: list[tuple[dict[str, str], float]]) -> Reply:
    """An instant vector as Prometheus writes it."""
    result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in samples]
    return 200, JSON, {"status": "success", "data": {"resultType": "vector", "result": result}}


def embedding(request: dict[str, Any]) -> Any:
    """The result of the task embedding."""
    texts = request["input_text"]
    return characters(texts) if isinstance(texts, str) else [characters(text) for text in texts]


def similarity(request: dict[str, Any]) -> Any:
    """The result of the task similarity."""
    text = request["input_text"]
    if "candidates" in request:
        scores = [cosine(text, candidate) for candidate in request["candidates"]]
        return {"scores": scores, "ranking": sorted(range(len(scores)), key=lambda i: -scores[i])}
    if isinstance(text[0], list):
        return [{"score": cosine(*pair)} for pair in text]
    return {"score": cosine(*text)}


def entities(request: dict[str, Any]) -> Any:
    """The result of the task ner for the one sentence that is asked about."""
    found = (("张三", "person", 0), ("北京", "place", 3), ("奥运会", "event", 8))
    return {"entities": [{"text": text, "type": kind, "start": start} for text, kind, start in found]}


RESULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "embedding": embedding,
    "similarity": similarity,
    "ner": entities,
    "sentiment": lambda _: {"ranking": []},
    "classification": lambda _: {"ranking": []},
    "qa": lambda _: {"found": False},
    "relation": lambda _: {"relations": []},
    "event": lambda _: {"events": []},
}


def characters(text: str) -> list[float]:
    """A vector of length 1 from the characters of a text."""
    counts = [0.0] * 64
    for character in text:
        counts[ord(character) % 64] += 1
    norm = sum(x * x for x in counts) ** 0.5
    return [x / norm for x in counts]


def cosine(left: str, right: str) -> float:
    """The cosine of two texts."""
    return sum(a * b for a, b in zip(characters(left), characters(right), strict=True))


def always(status: int, kind: str, body: Any) -> Callable[..., Reply]:
    """A route with one answer."""
    return lambda *_: (status, kind, json.loads(json.dumps(body)) if kind == JSON else body)


def rule(kind: str, name: str, query: str) -> dict[str, str]:
    """A rule as Prometheus' API shows it."""
    return {"type": kind, "name": name, "query": query, "health": "ok"}


JOBS = (
    "prometheus",
    "gte-service",
    "node-exporter",
    "alertmanager",
    "alert-inbox",
    "grafana",
    "a-further-one",
)


def targets() -> Reply:
    """The targets as Prometheus' API shows them, scraped this moment."""
    seen = datetime.now(UTC).isoformat()
    up = {"health": "up", "lastError": "", "lastScrape": seen}
    active = [{"labels": {"job": job}, "scrapeUrl": f"http://{job}:1/metrics", **up} for job in JOBS]
    return 200, JSON, {"status": "success", "data": {"activeTargets": active}}


RULES = [
    rule("recording", "p95", "histogram_quantile(0.95, rate(gte_task_latency_seconds_bucket[1m]))"),
    rule("recording", "ratio", "rate(gte_task_requests_total[1m])"),
    rule("alerting", "Slow", "p95 > 2"),
    rule("alerting", "Errors", "ratio > 0.01"),
]
FRAMES = {"results": {"A": {"frames": [{"data": {"values": [[1], [1]]}}]}}}
SOURCES = {
    "Prometheus": {"uid": "prometheus", "type": "prometheus"},
    "AM": {"uid": "alertmanager", "type": "alertmanager"},
}
DASHBOARD = {"dashboard": {"title": "GTE overview", "panels": [{}, {}, {}]}, "meta": {"provisioned": True}}
READY = {"status": "ready", "model": MODEL, "revision": REVISION, "demo": False}

ROUTES: dict[str, Callable[..., Reply]] = {
    "GET /gte/healthz": always(200, JSON, {"status": "alive"}),
    "GET /gte/readyz": always(200, JSON, READY),
    "GET /gte/": always(200, HTML, PAGE),
    "POST /gte/predict": FakeStack.predict,
    "POST /gte/v1/embeddings": FakeStack.embeddings,
    "GET /gte/v1/models": always(200, JSON, {"data": [{"id": MODEL}]}),
    "GET /gte-metrics/metrics": FakeStack.metrics,
    "GET /prometheus/-/ready": always(200, HTML, "Prometheus Server is Ready."),
    "GET /prometheus/-/healthy": always(200, HTML, "Prometheus Server is Healthy."),
    "GET /prometheus/api/v1/query": FakeStack.query,
    "GET /prometheus/api/v1/targets": lambda *_: targets(),
    "GET /prometheus/api/v1/rules": always(
        200, JSON, {"status": "success", "data": {"groups": [{"name": "gte", "rules": RULES}]}}
    ),
    "GET /prometheus/api/v1/alertmanagers": always(
        200,
        JSON,
        {"status": "success", "data": {"activeAlertmanagers": [{"url": "http://alertmanager:9093"}]}},
    ),
    "GET /alertmanager/-/ready": always(200, HTML, "OK"),
    "GET /alertmanager/api/v2/status": FakeStack.alertmanager_status,
    "GET /alertmanager/metrics": always(200, TEXT_FORMAT, alertmanager_metrics()),
    "POST /alertmanager/api/v2/alerts": FakeStack.post_alerts,
    "GET /inbox/healthz": always(200, JSON, {"status": "ok"}),
    "GET /inbox/metrics": always(200, TEXT_FORMAT, inbox_metrics()),
    "GET /inbox/api/notifications": FakeStack.notifications,
    "GET /inbox/": FakeStack.inbox_page,
    "GET /node/": always(200, HTML, "<title>Node Exporter</title>"),
    "GET /node/metrics": always(200, TEXT_FORMAT, node_metrics()),
    "GET /grafana/api/health": always(200, JSON, {"database": "ok"}),
    "GET /grafana/api/frontend/settings": always(200, JSON, {"datasources": SOURCES}),
    "POST /grafana/api/ds/query": always(200, JSON, FRAMES),
    "GET /grafana/api/dashboards/uid/gte-overview": always(200, JSON, DASHBOARD),
    "GET /grafana/api/search": always(200, JSON, [{"uid": "gte-overview", "type": "dash-db"}]),
    "POST /grafana/api/dashboards/db": always(403, JSON, {"message": "Access denied"}),
}
