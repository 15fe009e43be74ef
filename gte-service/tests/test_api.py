"""What the service answers over HTTP, and what it counts."""

from __future__ import annotations

import http.client
import json
import math
import re
from contextlib import closing

import pytest

from conftest import Service

TEXT = "张三在北京参加了奥运会"


def count(service: Service, task_type: str, status: str) -> float:
    return service.metrics()[f'gte_task_requests_total{{status="{status}",task_type="{task_type}"}}']


def test_a_text_becomes_a_vector_of_length_1(service: Service) -> None:
    answer = service.predict("embedding", TEXT)
    assert answer.status == 200
    assert math.hypot(*answer.json["result"]) == pytest.approx(1, abs=1e-5)
    assert answer.json["task_type"] == "embedding"
    assert answer.json["model"] == "builtin:lexical"
    assert answer.json["elapsed_ms"] > 0
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]


def test_a_list_of_texts_becomes_a_list_of_vectors_in_order(service: Service) -> None:
    one, other = service.predict("embedding", [TEXT, "股票"]).json["result"]
    assert one == pytest.approx(service.predict("embedding", TEXT).json["result"], abs=1e-5)
    assert other == pytest.approx(service.predict("embedding", "股票").json["result"], abs=1e-5)


def test_a_pair_gets_its_cosine(service: Service) -> None:
    one, other = service.predict("embedding", ["今天天气很好", "今天天气不错"]).json["result"]
    cosine = sum(a * b for a, b in zip(one, other, strict=True))
    score = service.predict("similarity", ["今天天气很好", "今天天气不错"]).json["result"]["score"]
    assert score == pytest.approx(cosine, abs=1e-5)


def test_pairs_get_a_score_each(service: Service) -> None:
    near, far = service.predict("similarity", [["天气很好", "天气不错"], ["天气很好", "股票"]]).json["result"]
    assert near["score"] > far["score"]


def test_candidates_are_ranked(service: Service) -> None:
    result = service.predict("similarity", "天气很好", candidates=["股票", "天气不错", "天气很好"]).json["result"]
    assert result["ranking"] == [2, 1, 0]
    assert result["scores"][2] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "code", "field", "words"),
    [
        (b"not json", "invalid_json", None, "not JSON"),
        (b"\xff\xfe", "invalid_json", None, "not JSON in UTF-8"),
        (
            '{"task_type": "embedding", "input_text": "\u5929"}'.encode("utf-16"),
            "invalid_json",
            None,
            "not JSON in UTF-8",
        ),
        (b'{"task_type": "embedding", "input_text": NaN}', "invalid_json", None, "NaN is not a number in JSON"),
        (b'{"task_type": "embedding", "input_text": -Infinity}', "invalid_json", None, "-Infinity is not a number"),
        (b'{"task_type": "embedding", "n": ' + b"9" * 5000 + b"}", "invalid_json", None, "not JSON"),
        (b"[1, 2]", "invalid_json", None, "must be a JSON object, not a list"),
        (b"[" * 100_000, "invalid_json", None, "not JSON"),
        (b'{"input_text": "x"}', "invalid_input", "task_type", '"task_type" is missing'),
        (b'{"task_typ": "ner"}', "invalid_input", "task_type", 'missing. Is "task_typ" a misspelling of it?'),
        (b'{"task_type": 3}', "invalid_input", "task_type", "must be a string"),
        (b'{"task_type": "sing", "input_text": "x"}', "unknown_task", "task_type", "embedding, "),
        (b'{"task_type": "embeddings"}', "unknown_task", "task_type", 'Did you mean "embedding"?'),
        (b'{"task_type": "NER", "input_text": "x"}', "unknown_task", "task_type", 'Did you mean "ner"?'),
        (b'{"task_type": " sentiment-analysis"}', "unknown_task", "task_type", 'Did you mean "sentiment"?'),
        (
            b'{"task_type": "classification", "input_text": "x", "labels": [{"lable": "a"}, "b"]}',
            "invalid_input",
            "labels[0]",
            'Did you mean "label"?',
        ),
        (b'{"task_type": "embedding"}', "invalid_input", "input_text", '"input_text" is missing'),
        (b'{"task_type": "embedding", "input_txt": "x"}', "invalid_input", "input_txt", 'Did you mean "input_text"?'),
        (
            b'{"task_type": "embedding", "input_text": "x", "labels": []}',
            "invalid_input",
            "labels",
            "the task embedding",
        ),
        (
            b'{"task_type": "embedding", "input_text": "x", "\\ud800": 1}',
            "invalid_input",
            "\ud800",
            "input_text, task_type",
        ),
        (b'{"task_type": "embedding", "input_text": " "}', "invalid_input", "input_text", "empty"),
        (b'{"task_type": "embedding", "input_text": []}', "invalid_input", "input_text", "empty list"),
        (b'{"task_type": "embedding", "input_text": {"a": 1}}', "invalid_input", "input_text", "not an object"),
        (b'{"task_type": "similarity", "input_text": "x"}', "invalid_input", "input_text", "pair"),
        (b'{"task_type": "similarity", "input_text": ["x"]}', "invalid_input", "input_text", "exactly two"),
        (b'{"task_type": "similarity", "input_text": "x", "candidates": 1}', "invalid_input", "candidates", "list"),
    ],
)
def test_the_error_of_a_bad_request_names_the_problem(
    service: Service, body: bytes, code: str, field: str | None, words: str
) -> None:
    answer = service.ask("/predict", data=body)
    assert answer.status == 400, answer.text
    error = answer.json["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert words in error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]


def test_too_many_texts_are_refused(service: Service) -> None:
    answer = service.predict("embedding", ["x"] * 2049)
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    assert "at most 2048" in answer.json["error"]["message"]


def test_too_long_a_body_is_refused(service: Service) -> None:
    answer = service.ask("/predict", data=b'"' + b"x" * (4 << 20) + b'"')
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/nowhere", "/predict/", "/PREDICT", "/%F0%9F%98%80"])
def test_a_wrong_address_is_told_the_right_ones(service: Service, path: str) -> None:
    answer = service.ask(path, {"task_type": "embedding", "input_text": "x"})
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert "POST /predict" in answer.json["error"]["message"]
    assert "static" not in answer.json["error"]["message"]


def test_a_wrong_method_is_told_the_right_one(service: Service) -> None:
    answer = service.ask("/predict")
    assert (answer.status, answer.json["error"]["code"]) == (405, "method_not_allowed")
    assert "Use POST" in answer.json["error"]["message"]
    assert answer.headers["Allow"].split(", ").count("POST") == 1


GOOD = {"task_type": "embedding", "input_text": "天"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; charset=us-ascii",
        "application/json; charset=utf_8",
        "application/json; charset=gbk",
        "application/json; charset=",
        "text/json",
        "text/x-json; charset=latin-1",
        "application/vnd.api+json",
        "application/problem+JSON; charset=utf8",
    ],
)
def test_json_is_known_however_it_is_called_and_is_utf_8(service: Service, content_type: str) -> None:
    body = json.dumps(GOOD, ensure_ascii=False).encode()
    expected = service.predict("embedding", GOOD["input_text"]).json["result"]
    answer = service.ask("/predict", data=body, headers={"Content-Type": content_type})
    assert (answer.status, answer.json.get("result")) == (200, pytest.approx(expected, abs=1e-5))
    openai = {"model": "builtin:lexical", "input": "天"}
    assert service.ask("/v1/embeddings", openai, headers={"Content-Type": content_type}).status == 200


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Content-Type", "text/plain", "Content-Type: application/json"),
        ("Content-Type", "application/x-www-form-urlencoded", "Content-Type: application/json"),
        ("Content-Type", "multipart/form-data; boundary=x", "Content-Type: application/json"),
        ("Content-Type", "text/plain; application/json", "Content-Type: application/json"),
        ("Content-Type", "text/plain, application/json", "Content-Type: application/json"),
        ("Content-Type", "application/jsonx", "Content-Type: application/json"),
        ("Content-Type", "", "Content-Type: application/json"),
        ("Content-Type", "nonsense", "Content-Type: application/json"),
        ("Content-Encoding", "gzip", "uncompressed"),
    ],
)
def test_a_body_declared_as_another_type_is_refused(service: Service, name: str, value: str, words: str) -> None:
    answer = service.ask("/predict", GOOD, headers={name: value})
    assert (answer.status, answer.json["error"]["code"]) == (415, "unsupported_media_type")
    assert words in answer.json["error"]["message"]


@pytest.mark.parametrize("path", ["/predict", "/v1/embeddings"])
def test_a_body_without_a_content_type_is_refused_because_any_page_could_send_it(service: Service, path: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request("POST", path, json.dumps(GOOD).encode())
        answer = connection.getresponse()
        error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"]) == (415, "unsupported_media_type")
    assert error["message"].startswith("the header Content-Type is missing. Send JSON")


def test_a_body_may_begin_with_a_byte_order_mark_and_say_that_it_is_not_compressed(service: Service) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(GOOD).encode()
    assert service.ask("/predict", data=body, headers={"Content-Encoding": "identity"}).status == 200
    assert service.ask("/predict", data=body, headers={"Content-Encoding": ""}).status == 200


def test_half_a_surrogate_pair_is_a_character_like_any_other(service: Service) -> None:
    assert service.ask("/predict", data=b'{"task_type": "embedding", "input_text": "a\\ud800b"}').status == 200


def test_an_answer_tells_the_time_of_its_parts(service: Service) -> None:
    answer = service.ask("/predict", GOOD)
    parts = re.fullmatch(
        r"tokenize;dur=([\d.]+), queue;dur=([\d.]+), inference;dur=([\d.]+), postprocess;dur=([\d.]+)",
        answer.headers["Server-Timing"],
    )
    assert parts
    assert 0 < sum(float(part) for part in parts.groups()) <= answer.json["elapsed_ms"] + 5
    assert "Server-Timing" not in service.ask("/predict", data=b"nonsense").headers


def test_an_answer_names_the_task_that_it_was_counted_as_and_never_the_clients_own_word(service: Service) -> None:
    def named(body: object, path: str = "/predict") -> str | None:
        name: str | None = service.ask(path, body).headers.get("X-Task-Type")
        return name

    assert named(GOOD) == GOOD["task_type"]
    assert named({"task_type": "qa"}) == "qa"
    assert named({"task_type": "poem"}) == "unknown"
    assert named({"input": "x", "model": "builtin:lexical"}, "/v1/embeddings") == "embedding"
    assert service.ask("/readyz").headers.get("X-Task-Type") is None


def test_a_request_id_is_taken_over_when_it_is_harmless(service: Service) -> None:
    body = {"task_type": "embedding", "input_text": "x"}
    assert service.ask("/predict", body, headers={"X-Request-ID": "abc-1"}).json["request_id"] == "abc-1"
    assert service.ask("/predict", body, headers={"X-Request-ID": "a b<script>"}).json["request_id"] != "a b<script>"


def test_each_request_raises_exactly_its_own_counter(service: Service) -> None:
    before = service.metrics()
    service.predict("embedding", TEXT)
    service.predict("similarity", ["a", "b"])
    service.ask("/predict", data=b"nonsense")
    service.predict("sing", "x")
    service.predict("embedding", "")
    service.ask("/healthz")
    after = service.metrics()
    prefixes = ("gte_task_requests_total", "gte_task_errors_total", "gte_task_latency_seconds_count")
    raised = {
        name: after[name] - before[name] for name in after if name.startswith(prefixes) and after[name] != before[name]
    }
    assert raised == {
        'gte_task_requests_total{status="success",task_type="embedding"}': 1,
        'gte_task_requests_total{status="success",task_type="similarity"}': 1,
        'gte_task_requests_total{status="invalid",task_type="unknown"}': 2,
        'gte_task_requests_total{status="invalid",task_type="embedding"}': 1,
        'gte_task_errors_total{reason="invalid_json",task_type="unknown"}': 1,
        'gte_task_errors_total{reason="unknown_task",task_type="unknown"}': 1,
        'gte_task_errors_total{reason="invalid_input",task_type="embedding"}': 1,
        'gte_task_latency_seconds_count{task_type="embedding"}': 2,
        'gte_task_latency_seconds_count{task_type="similarity"}': 1,
        'gte_task_latency_seconds_count{task_type="unknown"}': 2,
    }


def test_volume_and_time_are_recorded(service: Service) -> None:
    before = service.metrics()
    service.predict("embedding", ["天气", "长" * 600])
    after = service.metrics()

    def raised(name: str) -> float:
        return after[name] - before[name]

    assert raised('gte_input_tokens_total{task_type="embedding"}') == 4 + 512
    assert raised('gte_truncated_inputs_total{task_type="embedding"}') == 1
    assert raised("gte_inference_busy_seconds_total") > 0
    for phase in ("tokenize", "queue", "inference", "postprocess"):
        assert raised(f'gte_phase_seconds_count{{phase="{phase}"}}') == 1


def test_every_task_exists_from_the_start_at_0(service: Service) -> None:
    metrics = service.metrics()
    for task_type in ("qa", "ner", "unknown"):
        assert f'gte_task_latency_seconds_bucket{{le="0.005",task_type="{task_type}"}}' in metrics
    assert count(service, "ner", "error") == 0
    assert metrics['gte_task_errors_total{reason="internal",task_type="ner"}'] == 0
    assert metrics['gte_active_requests{task_type="embedding"}'] == 0


def test_http_is_counted_as_prometheus_flask_exporter_does(service: Service) -> None:
    name = 'flask_http_request_duration_seconds_count{method="POST",path="/predict",status="200"}'
    before = service.metrics().get(name, 0)
    service.predict("embedding", TEXT)
    service.ask("/any/thing/else")
    metrics = service.metrics()
    assert metrics[name] == before + 1
    assert metrics['flask_http_request_duration_seconds_count{method="GET",path="unmatched",status="404"}'] >= 1
    assert metrics['flask_http_request_total{method="POST",status="200"}'] >= 1


def test_the_demo_model_is_named_as_such_everywhere(service: Service) -> None:
    readiness = service.ask("/readyz").json
    assert readiness["demo"] is True
    info = [name for name in service.metrics() if name.startswith("gte_model_info")]
    assert len(info) == 1
    assert 'model="builtin:lexical"' in info[0]
    assert f'revision="{readiness["revision"]}"' in info[0]
    page = service.ask("/", headers={"Accept-Language": "en"})
    assert "builtin:lexical" in page.text
    assert "Demo model" in page.text
    assert "演示模型" in service.ask("/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text


def test_metrics_are_in_the_text_format_prometheus_takes(service: Service) -> None:
    answer = service.ask("/metrics", port=service.metrics_port)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")


def test_a_bad_item_of_a_batch_answers_for_itself(service: Service) -> None:
    answer = service.predict("embedding", ["股票", None, " "])
    assert answer.status == 200
    good, null, blank = answer.json["result"]
    assert good == pytest.approx(service.predict("embedding", "股票").json["result"], abs=1e-5)
    assert null["error"]["code"] == "invalid_input"
    assert null["error"]["field"] == "input_text[1]"
    assert "not null" in null["error"]["message"]
    assert blank["error"]["field"] == "input_text[2]"
