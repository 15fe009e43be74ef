"""Wrong answers of gte-service, one at a time, and what the check that must notice each has to say."""

from __future__ import annotations

from edits import drop, in_json, in_text, no_line, put, with_kind, with_status
from fake_stack import Broken

METRICS = "GET /gte-metrics/metrics"
PREDICT = "POST /gte/predict"
TASKS_SENTENCE = "gte-service has the series of the contract for every task"
WHOLE_SENTENCE = "gte-service has the series of the contract for model, workers and processes"

BROKEN: list[Broken] = [
    ("gte-service answers /healthz", "GET /gte/healthz", with_status(500), "status 500 instead of 200"),
    ("gte-service answers /healthz", "GET /gte/healthz", put("status", value="?"), "/healthz says"),
    (
        "gte-service is ready and names model and revision at /readyz",
        "GET /gte/readyz",
        lambda reply: (503, reply[1], {"status": "downloading", "detail": "downloading 43 %"}),
        "downloading 43 %",
    ),
    (
        "gte-service is ready and names model and revision at /readyz",
        "GET /gte/readyz",
        drop("revision"),
        "no revision",
    ),
    (
        "gte-service is ready and names model and revision at /readyz",
        "GET /gte/readyz",
        put("model", value=""),
        "model",
    ),
    (
        "gte-service shows a page that names model and state",
        "GET /gte/",
        in_text("nlp_gte", "bert"),
        "the model",
    ),
    (
        "gte-service shows a page that names model and state",
        "GET /gte/",
        in_text("ready", "busy"),
        "the status",
    ),
    (
        "gte-service shows a page that names model and state",
        "GET /gte/",
        with_kind("text/plain"),
        "text/html",
    ),
    ("gte-service answers an embedding", PREDICT, put("result", value=[3.0, 4.0]), "length 5.0"),
    (
        "gte-service answers an embedding",
        PREDICT,
        put("result", value=[float("nan"), 1.0]),
        "no finite number",
    ),
    ("gte-service answers an embedding", PREDICT, put("result", value=[]), "no vector"),
    ("gte-service answers an embedding", PREDICT, put("task_type", value="ner"), "not embedding"),
    ("gte-service answers an embedding", PREDICT, drop("elapsed_ms"), "elapsed_ms"),
    ("gte-service answers an embedding", PREDICT, lambda _: (200, "text/html", "<p>hello"), "no JSON"),
    (
        "gte-service finds the entities of the tutorial's sentence",
        PREDICT,
        put("result", "entities", 1, "type", value="person"),
        "('北京', 'place', 3) is not among",
    ),
    (
        "gte-service finds the entities of the tutorial's sentence",
        PREDICT,
        drop("result", "entities", 2),
        "奥运会",
    ),
    ("gte-service answers every other task", PREDICT, put("result", value={"ranking": 1}), "the result of qa"),
    ("gte-service answers every other task", PREDICT, put("result", value=[]), "is no dict"),
    ("gte-service answers OpenAI's clients (/v1)", "GET /gte/v1/models", put("data", value=[]), "no data"),
    (
        "gte-service answers OpenAI's clients (/v1)",
        "POST /gte/v1/embeddings",
        put("data", 0, "embedding", value=[3.0, 4.0]),
        "length 5.0",
    ),
    (
        "gte-service answers OpenAI's clients (/v1)",
        "POST /gte/v1/embeddings",
        put("usage", "total_tokens", value=0),
        "no tokens",
    ),
    (
        "gte-service answers an embedding for each text of a list",
        PREDICT,
        drop("result", 1),
        "2 vectors for 3 texts",
    ),
    (
        "gte-service answers an embedding for each text of a list",
        PREDICT,
        in_json(lambda answer: {**answer, "result": answer["result"][:1] * 3}),
        "different texts give the same vector",
    ),
    (
        "gte-service answers an embedding for each text of a list",
        PREDICT,
        in_json(lambda answer: answer["result"].sort()),
        "the same text twice",
    ),
    (
        "gte-service scores similar texts above unrelated ones",
        PREDICT,
        in_json(lambda answer: answer["result"].reverse()),
        "the unrelated",
    ),
    (
        "gte-service scores similar texts above unrelated ones",
        PREDICT,
        put("result", 0, "score", value=7.0),
        "cosines",
    ),
    (
        "gte-service scores a text with itself as the same",
        PREDICT,
        put("result", "score", value=0.5),
        "0.5 with itself",
    ),
    (
        "gte-service ranks candidates, the best first",
        PREDICT,
        put("result", "ranking", value=[0, 1]),
        "[0, 1]",
    ),
    (
        "gte-service ranks candidates, the best first",
        PREDICT,
        put("result", "scores", value=[0.9, 0.1]),
        "unrelated",
    ),
    (
        "gte-service refuses a request without text (400 invalid_input)",
        PREDICT,
        with_status(200),
        "instead of 400",
    ),
    (
        "gte-service refuses a request without text (400 invalid_input)",
        PREDICT,
        drop("error", "request_id"),
        "lacks",
    ),
    (
        "gte-service refuses a request without text (400 invalid_input)",
        PREDICT,
        put("error", "field", value="task_type"),
        "field",
    ),
    ("gte-service refuses what is no JSON (400 invalid_json)", PREDICT, with_status(500), "instead of 400"),
    (
        "gte-service refuses an unknown task (400 unknown_task)",
        PREDICT,
        put("error", "code", value="internal"),
        "code",
    ),
    ("gte-service answers a scrape in the text format", METRICS, with_kind("text/html"), "text/plain"),
    ("gte-service answers a scrape in the text format", METRICS, in_text(r"(?s).*", ""), "no samples"),
    (
        "gte-service answers a scrape in OpenMetrics when asked",
        METRICS,
        with_kind("text/plain"),
        "OpenMetrics",
    ),
    ("gte-service answers a scrape in OpenMetrics when asked", METRICS, in_text("# EOF\n", ""), "EOF"),
    (
        TASKS_SENTENCE,
        METRICS,
        no_line('gte_task_requests_total{task_type="unknown",status="invalid"'),
        "unknown",
    ),
    (TASKS_SENTENCE, METRICS, no_line('gte_task_errors_total{task_type="ner",reason="deadline"'), "deadline"),
    (TASKS_SENTENCE, METRICS, in_text('le="2.0"', 'le="3.0"'), "bounds"),
    (TASKS_SENTENCE, METRICS, in_text(r'(embedding",le="\+Inf"}) 3.0', r"\1 2.0"), "cumulative"),
    (TASKS_SENTENCE, METRICS, in_text(r"(latency_seconds_count.*) 3.0", r"\1 4.0"), "its last bucket"),
    (TASKS_SENTENCE, METRICS, in_text(r"(gte_active_requests.*) 0.0", r"\1 -1.0"), "-1"),
    (WHOLE_SENTENCE, METRICS, no_line("gte_model_download_bytes"), "gte_model_download_bytes"),
    (WHOLE_SENTENCE, METRICS, in_text("gte_workers 1.0", "gte_workers 0.0"), "gte_workers is 0"),
    (WHOLE_SENTENCE, METRICS, in_text("gte_server_up 1.0", "gte_server_up 0.0"), "gte_server_up is 0"),
    (WHOLE_SENTENCE, METRICS, no_line("gte_counters_start_time_seconds"), "gte_counters_start_time_seconds"),
    (WHOLE_SENTENCE, METRICS, no_line('gte_backlog_connections{queue="unread"'), "unread"),
    (WHOLE_SENTENCE, METRICS, no_line('gte_process_threads{process="worker-0"'), "gte_process_threads has 0 workers"),
    (WHOLE_SENTENCE, METRICS, no_line('gte_process_open_fds{process="master"'), "master"),
    (WHOLE_SENTENCE, METRICS, in_text("gte_workers 1.0", "gte_workers 2.0"), "has 1 workers, gte_workers is 2"),
    (WHOLE_SENTENCE, METRICS, no_line("flask_exporter_info"), "flask_exporter_info"),
    (
        "gte-service names in gte_model_info the model of /readyz",
        METRICS,
        in_text("0123456789ab", "0"),
        "revision",
    ),
    (
        "gte-service names in gte_model_info the model of /readyz",
        METRICS,
        in_text("precision", "p"),
        "precision",
    ),
]
