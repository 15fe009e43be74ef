"""What gte-service answers to its clients."""

from __future__ import annotations

import html
import math
import operator
from collections.abc import Sequence
from typing import Any

import pytest

from tests.smoke.services import Answer, Service

TEXT = "张三在北京参加了奥运会"
NEAR = "张三去北京参加奥运会"
# Shares no character with TEXT: the demo model compares characters.
FAR = "今日股市大幅下跌"
# A large model on a small machine needs its time for one text.
PREDICTION_SECONDS = 20.0
# The other tasks: a text, and what the result must have.
OTHER_TASKS = {
    "sentiment": ("这家店的服务特别好", "ranking"),
    "classification": ("球队昨晚夺得了冠军", "ranking"),
    "qa": (f"{TEXT}。|谁参加了奥运会？", "found"),
    "relation": ("李四出生于上海", "relations"),
    "event": (TEXT, "events"),
}

prediction = pytest.mark.seconds(PREDICTION_SECONDS)


def predict(gte: Service, task: str, text: Any, **more: Any) -> Any:
    """The result that /predict gives, in an answer that has all it should have."""
    answer = gte.post("/predict", {"task_type": task, "input_text": text, **more}).json()
    assert answer["task_type"] == task, f"task_type is {answer['task_type']!r} instead of {task!r}"
    for key in ("request_id", "model"):
        assert answer[key], f"{key} is empty"
    assert answer["elapsed_ms"] >= 0, f"elapsed_ms is {answer['elapsed_ms']}"
    return answer["result"]


def expect_unit_vector(vector: Sequence[float]) -> None:
    """A vector of finite numbers whose Euclidean norm is 1."""
    length = math.hypot(*vector)
    assert len(vector) > 1, f"no vector: {vector}"
    assert abs(length - 1) <= 1e-3, f"the vector has the length {length:.4f} instead of 1"


def expect_page(answer: Answer, *texts: str) -> None:
    """A page of HTML that shows these texts."""
    assert answer.content_type.startswith("text/html"), f"content type {answer.content_type!r} instead of text/html"
    for text in texts:
        assert text in html.unescape(answer.text), f"{answer.asked}: the page doesn't show {text!r}"


@pytest.mark.within(10)
def test_answers_healthz(gte: Service) -> None:
    status = gte.get("/healthz").json()["status"]
    assert status == "alive", f"the status is {status!r} instead of 'alive'"


@pytest.mark.within(10)
def test_is_ready_and_names_model_and_revision_at_readyz(gte: Service) -> None:
    ready = gte.get("/readyz").json()
    assert ready["status"] == "ready", f"the status is {ready['status']!r} instead of 'ready'"
    for key in ("model", "revision"):
        assert ready[key], f"{key} is empty"
    assert isinstance(ready["demo"], bool), f"demo is {ready['demo']!r}"


def test_shows_a_page_that_names_model_and_state(gte: Service) -> None:
    ready = gte.get("/readyz").json()
    expect_page(gte.get("/", accept="text/html"), ready["model"], ready["status"])


@prediction
def test_answers_an_embedding(gte: Service) -> None:
    expect_unit_vector(predict(gte, "embedding", TEXT))


@prediction
def test_answers_an_embedding_for_each_text_of_a_list(gte: Service) -> None:
    texts = [TEXT, FAR, TEXT]
    vectors = predict(gte, "embedding", texts)
    assert len(vectors) == len(texts), f"{len(vectors)} vectors for {len(texts)} texts"
    for vector in vectors:
        expect_unit_vector(vector)
    same, other = (sum(map(operator.mul, vectors[0], vector)) for vector in (vectors[2], vectors[1]))
    assert same > 0.999, f"the same text twice gives different vectors: cosine {same}"
    assert other < 0.999, f"different texts give the same vector: cosine {other}"


@prediction
def test_scores_similar_texts_above_unrelated_ones(gte: Service) -> None:
    near, far = (pair["score"] for pair in predict(gte, "similarity", [[TEXT, NEAR], [TEXT, FAR]]))
    assert near > far, f"{TEXT}: {NEAR} scores {near}, the unrelated {FAR} scores {far}"
    assert -1.001 <= far <= near <= 1.001, f"the scores {near} and {far} are no cosines"


@prediction
def test_scores_a_text_with_itself_as_the_same(gte: Service) -> None:
    score = predict(gte, "similarity", [TEXT, TEXT])["score"]
    assert score > 0.999, f"a text scores {score} with itself"


@prediction
def test_ranks_candidates_the_best_first(gte: Service) -> None:
    result = predict(gte, "similarity", TEXT, candidates=[FAR, NEAR])
    far, near = result["scores"]
    assert near > far, f"{NEAR} scores {near}, the unrelated {FAR} scores {far}"
    assert result["ranking"] == [1, 0], f"the ranking is {result['ranking']} instead of [1, 0]"


@prediction
def test_finds_person_place_and_event_in_a_sentence(gte: Service) -> None:
    found = [(entity["text"], entity["type"], entity["start"]) for entity in predict(gte, "ner", TEXT)["entities"]]
    for entity in (("张三", "person", 0), ("北京", "place", 3), ("奥运会", "event", 8)):
        assert entity in found, f"{entity} is not among the entities of {TEXT}: {found}"


@prediction
@pytest.mark.parametrize("task", OTHER_TASKS)
def test_answers_the_task(gte: Service, task: str) -> None:
    text, key = OTHER_TASKS[task]
    result = predict(gte, task, text)
    assert isinstance(result, dict), f"the result is no object: {result}"
    assert key in result, f"the result of {task} lacks {key}: {result}"


@prediction
def test_answers_openai_clients_at_v1(gte: Service) -> None:
    model = gte.get("/v1/models").json()["data"][0]["id"]
    answer = gte.post("/v1/embeddings", {"model": model, "input": TEXT}).json()
    expect_unit_vector(answer["data"][0]["embedding"])
    assert answer["usage"]["total_tokens"] > 0, "no tokens were counted"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        pytest.param({"task_type": "embedding"}, "invalid_input", "input_text", id="without a text"),
        pytest.param(b'{"task_type": ', "invalid_json", None, id="that is no JSON"),
        pytest.param({"task_type": "smoke", "input_text": TEXT}, "unknown_task", "task_type", id="of an unknown task"),
    ],
)
def test_refuses_a_request(gte: Service, body: Any, code: str, field: str | None) -> None:
    error = gte.post("/predict", body, 400).json()["error"]
    assert error["code"] == code, f"the error's code is {error['code']!r} instead of {code!r}"
    assert error["field"] == field, f"the error's field is {error['field']!r} instead of {field!r}"
    for key in ("message", "request_id"):
        assert error[key], f"the error's {key} is empty"
