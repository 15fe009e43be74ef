"""Checks what gte-service answers to its clients."""

from __future__ import annotations

import html
from typing import Any

from smoke.answers import at, dot, number_at, require, short, vector_at
from smoke.check import Check, Stack
from smoke.deadline import Deadline

TEXT = "张三在北京参加了奥运会"
NEAR = "张三去北京参加奥运会"
# Shares no character with TEXT: the demo model compares characters.
FAR = "今日股市大幅下跌"
# A large model on a small machine needs its time for one text.
PREDICTION_SECONDS = 20.0
# A request of each task that no check of its own sends, and what its result must have.
OTHER_TASKS = (
    ("sentiment", "这家店的服务特别好", "ranking"),
    ("classification", "球队昨晚夺得了冠军", "ranking"),
    ("qa", f"{TEXT}。|谁参加了奥运会？", "found"),
    ("relation", "李四出生于上海", "relations"),
    ("event", TEXT, "events"),
)
ERROR_KEYS = ("code", "message", "field", "request_id")


def predict(stack: Stack, deadline: Deadline, task: str, text: Any, **more: Any) -> Any:
    """The JSON that /predict answers to a good request; raises CheckError."""
    request = {"task_type": task, "input_text": text, **more}
    answer = stack.at.gte.post("/predict", request, deadline).expect(200).json()
    require(at(answer, "task_type", kind=str) == task, f"task_type is not {task}: {short(answer)}")
    require(at(answer, "request_id", kind=str) != "", f"request_id is empty: {short(answer)}")
    require(at(answer, "model", kind=str) != "", f"model is empty: {short(answer)}")
    elapsed = number_at(answer, "elapsed_ms")
    require(elapsed >= 0, f"elapsed_ms is {elapsed}")
    return answer


def readiness(stack: Stack, deadline: Deadline) -> Any:
    """The JSON of /readyz of a service that is ready; raises CheckError."""
    return stack.at.gte.get("/readyz", deadline).expect(200).json()


def _healthz(stack: Stack, deadline: Deadline) -> None:
    answer = deadline.until(lambda: stack.at.gte.get("/healthz", deadline).expect(200)).json()
    require(at(answer, "status", kind=str) == "alive", f"/healthz says {short(answer)}")


def _readyz(stack: Stack, deadline: Deadline) -> None:
    ready = deadline.until(lambda: readiness(stack, deadline))
    require(at(ready, "status", kind=str) == "ready", f"status is not ready: {short(ready)}")
    for name in ("model", "revision"):
        require(at(ready, name, kind=str) != "", f"{name} is empty: {short(ready)}")
    at(ready, "demo", kind=bool)


def _page(stack: Stack, deadline: Deadline) -> None:
    ready = readiness(stack, deadline)
    answer = stack.at.gte.get("/", deadline, accept="text/html").expect(200)
    kind = answer.headers.get("content-type", "")
    require(kind.startswith("text/html"), f"{answer.asked}: content type {kind!r} instead of text/html")
    page = html.unescape(answer.text())
    for name in ("model", "status"):
        value = at(ready, name, kind=str)
        require(value in page, f"{answer.asked}: the page doesn't name the {name} {value!r}")


def _embedding(stack: Stack, deadline: Deadline) -> None:
    vector_at(predict(stack, deadline, "embedding", TEXT), "result")


def _embedding_list(stack: Stack, deadline: Deadline) -> None:
    texts = [TEXT, FAR, TEXT]
    answer = predict(stack, deadline, "embedding", texts)
    count = len(at(answer, "result", kind=list))
    require(count == len(texts), f"{count} vectors for {len(texts)} texts")
    first, far, again = (vector_at(answer, "result", position) for position in range(len(texts)))
    require(dot(first, again) > 0.999, f"the same text twice gives different vectors: cosine {dot(first, again)}")
    require(dot(first, far) < 0.999, f"different texts give the same vector: cosine {dot(first, far)}")


def _similarity(stack: Stack, deadline: Deadline) -> None:
    answer = predict(stack, deadline, "similarity", [[TEXT, NEAR], [TEXT, FAR]])
    near, far = (number_at(answer, "result", position, "score") for position in (0, 1))
    require(near > far, f"{TEXT}: {NEAR} scores {near}, the unrelated {FAR} scores {far}")
    require(far >= -1.001 and near <= 1.001, f"scores {near} and {far} are no cosines")


def _similarity_of_two(stack: Stack, deadline: Deadline) -> None:
    score = number_at(predict(stack, deadline, "similarity", [TEXT, TEXT]), "result", "score")
    require(score > 0.999, f"a text scores {score} with itself")


def _ranking(stack: Stack, deadline: Deadline) -> None:
    answer = predict(stack, deadline, "similarity", TEXT, candidates=[FAR, NEAR])
    scores = [number_at(answer, "result", "scores", position) for position in (0, 1)]
    ranking = at(answer, "result", "ranking", kind=list)
    require(scores[1] > scores[0], f"{NEAR} scores {scores[1]}, the unrelated {FAR} scores {scores[0]}")
    require(ranking == [1, 0], f"the ranking is {short(ranking)} instead of [1, 0] for the scores {scores}")


def _sentence_of_the_tutorial(stack: Stack, deadline: Deadline) -> None:
    entities = at(predict(stack, deadline, "ner", TEXT), "result", "entities", kind=list)
    found = [(at(one, "text", kind=str), at(one, "type", kind=str), at(one, "start", kind=int)) for one in entities]
    for wanted in (("张三", "person", 0), ("北京", "place", 3), ("奥运会", "event", 8)):
        require(wanted in found, f"{wanted} is not among the entities of {TEXT}: {short(found)}")


def _every_task(stack: Stack, deadline: Deadline) -> None:
    for task, request, key in OTHER_TASKS:
        answer = predict(stack, deadline, task, request)
        require(key in at(answer, "result", kind=dict), f"the result of {task} lacks {key}: {short(answer)}")


def _openai(stack: Stack, deadline: Deadline) -> None:
    model = at(stack.at.gte.get("/v1/models", deadline).expect(200).json(), "data", 0, "id", kind=str)
    answer = stack.at.gte.post("/v1/embeddings", {"model": model, "input": TEXT}, deadline).expect(200).json()
    vector_at(answer, "data", 0, "embedding")
    require(number_at(answer, "usage", "total_tokens") > 0, f"no tokens were counted: {short(answer)}")


def expect_error(stack: Stack, deadline: Deadline, body: Any, code: str, field: str | None) -> None:
    """Sends a bad request and checks that it is refused as agreed; raises CheckError."""
    answer = stack.at.gte.post("/predict", body, deadline).expect(400).json()
    error = at(answer, "error", kind=dict)
    missing = [key for key in ERROR_KEYS if key not in error]
    require(not missing, f"the error lacks {', '.join(missing)}: {short(answer)}")
    require(error["code"] == code, f"the error's code is {error['code']!r} instead of {code!r}: {short(answer)}")
    require(error["field"] == field, f"the error's field is {error['field']!r} instead of {field!r}")
    require(
        bool(error["message"]) and bool(error["request_id"]),
        f"an error without message or id: {short(answer)}",
    )


def _bad_input(stack: Stack, deadline: Deadline) -> None:
    expect_error(stack, deadline, {"task_type": "embedding"}, "invalid_input", "input_text")


def _bad_json(stack: Stack, deadline: Deadline) -> None:
    expect_error(stack, deadline, b'{"task_type": ', "invalid_json", None)


def _unknown_task(stack: Stack, deadline: Deadline) -> None:
    body = {"task_type": "smoke-no-such-task", "input_text": TEXT}
    expect_error(stack, deadline, body, "unknown_task", "task_type")


CHECKS = (
    Check("gte-service", "answers /healthz", _healthz),
    Check("gte-service", "is ready and names model and revision at /readyz", _readyz),
    Check("gte-service", "shows a page that names model and state", _page),
    Check("gte-service", "answers an embedding", _embedding, PREDICTION_SECONDS),
    Check("gte-service", "answers an embedding for each text of a list", _embedding_list, PREDICTION_SECONDS),
    Check("gte-service", "scores similar texts above unrelated ones", _similarity, PREDICTION_SECONDS),
    Check("gte-service", "scores a text with itself as the same", _similarity_of_two, PREDICTION_SECONDS),
    Check("gte-service", "ranks candidates, the best first", _ranking, PREDICTION_SECONDS),
    Check(
        "gte-service", "finds the entities of the tutorial's sentence", _sentence_of_the_tutorial, PREDICTION_SECONDS
    ),
    Check("gte-service", "answers every other task", _every_task, len(OTHER_TASKS) * PREDICTION_SECONDS),
    Check("gte-service", "answers OpenAI's clients (/v1)", _openai, PREDICTION_SECONDS),
    Check("gte-service", "refuses a request without text (400 invalid_input)", _bad_input),
    Check("gte-service", "refuses what is no JSON (400 invalid_json)", _bad_json),
    Check("gte-service", "refuses an unknown task (400 unknown_task)", _unknown_task),
)
