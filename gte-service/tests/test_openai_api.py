"""OpenAI's own client, and LangChain's, work with /v1 as they are."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from conftest import Service

MODEL = "builtin:lexical"
TEXTS = ["今天天气很好", "股市大跌"]


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{service.port}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_openais_client_gets_the_vectors_that_predict_gives(service: Service, client: openai.OpenAI) -> None:
    expected = service.predict("embedding", TEXTS).json["result"]
    # Without encoding_format the client asks for base64 and decodes it.
    for more in ({}, {"encoding_format": "float"}, {"dimensions": len(expected[0]), "user": "somebody"}):
        answer = client.embeddings.create(model=MODEL, input=TEXTS, **more)
        assert [one.embedding for one in answer.data] == [pytest.approx(vector, abs=1e-5) for vector in expected]
        assert [one.index for one in answer.data] == [0, 1]
        assert (answer.object, answer.model, {one.object for one in answer.data}) == ("list", MODEL, {"embedding"})
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == 6 + 2 + 4 + 2
    lone = client.embeddings.create(model=MODEL, input=TEXTS[0])
    assert lone.data[0].embedding == pytest.approx(expected[0], abs=1e-5)


def test_base64_is_of_little_endian_float32(service: Service) -> None:
    body = {"model": MODEL, "input": TEXTS[0], "encoding_format": "base64"}
    packed = base64.b64decode(service.ask("/v1/embeddings", body).json["data"][0]["embedding"])
    numbers = struct.unpack(f"<{len(packed) // 4}f", packed)
    assert list(numbers) == pytest.approx(service.predict("embedding", TEXTS[0]).json["result"], abs=1e-5)


def test_the_models_are_listed_and_found(client: openai.OpenAI) -> None:
    assert [(one.id, one.object, one.owned_by) for one in client.models.list()] == [(MODEL, "model", "local")]
    found = client.models.retrieve(MODEL)
    assert found.id == MODEL
    assert found.created > 1_700_000_000
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("text-embedding-3-small")
    assert caught.value.code == "model_not_found"


def test_a_model_whose_name_has_slashes_is_found(new_service: Callable[..., Service], lexical_source: Any) -> None:
    service = new_service(
        GTE_WORKERS="1", GTE_MODEL_DIR=str(lexical_source), GTE_MODEL_ALIASES="text-embedding-3-small, a/b"
    )
    service.wait_until("ready")
    with openai.OpenAI(base_url=f"http://127.0.0.1:{service.port}/v1", api_key="none", max_retries=0) as client:
        names = [one.id for one in client.models.list()]
        assert names == [str(lexical_source), "text-embedding-3-small", "a/b"]
        for name in names:
            assert client.models.retrieve(name).id == name
            # Whatever a client calls it, the answer says which model it was.
            assert client.embeddings.create(model=name, input="天").model == str(lexical_source)
    assert service.ask(f"/v1/models/{lexical_source}").json["id"] == str(lexical_source)
    assert service.ask("/v1//models").status == 404


def test_langchain_embeds_documents_and_queries(service: Service) -> None:
    embeddings = OpenAIEmbeddings(
        model=MODEL,
        base_url=f"http://127.0.0.1:{service.port}/v1",
        api_key=SecretStr("none"),
        # Otherwise it would cut the texts with OpenAI's tokenizer and send the numbers of its tokens.
        check_embedding_ctx_length=False,
    )
    expected = service.predict("embedding", TEXTS).json["result"]
    assert embeddings.embed_documents(TEXTS) == [pytest.approx(vector, abs=1e-5) for vector in expected]
    assert embeddings.embed_query(TEXTS[1]) == pytest.approx(expected[1], abs=1e-5)
    assert len(embeddings.embed_documents([f"第{n}条" for n in range(300)])) == 300


@pytest.mark.parametrize(
    ("change", "expected", "words"),
    [
        ({"model": "text-embedding-3-small"}, (404, "model_not_found", "model"), "GTE_MODEL_ALIASES"),
        ({"model": 3}, (400, "invalid_input", "model"), "must be a string"),
        ({"model": None}, (400, "invalid_input", "model"), "must be a string"),
        ({"input": ...}, (400, "invalid_input", "input"), "missing"),
        ({"input": [1, 2, 3]}, (400, "invalid_input", "input"), "check_embedding_ctx_length=False"),
        ({"input": [[1, 2], [3]]}, (400, "invalid_input", "input"), "token numbers"),
        ({"input": ["a", [1, 2]]}, (400, "invalid_input", "input"), "token numbers"),
        ({"input": [["a", "b"]]}, (400, "invalid_input", "input[0]"), "must be a string, not a list"),
        ({"input": [[]]}, (400, "invalid_input", "input[0]"), "must be a string, not a list"),
        ({"input": [[1, "a"]]}, (400, "invalid_input", "input[0]"), "must be a string, not a list"),
        ({"input": [1.5]}, (400, "invalid_input", "input[0]"), "must be a string, not a number"),
        ({"input": [True]}, (400, "invalid_input", "input[0]"), "must be a string, not a boolean"),
        ({"input": [1, "a"]}, (400, "invalid_input", "input[0]"), "must be a string, not a number"),
        ({"input": 5}, (400, "invalid_input", "input"), "not a number"),
        ({"input": ""}, (400, "invalid_input", "input"), "empty"),
        ({"input": ["a", ""]}, (400, "invalid_input", "input[1]"), "empty"),
        ({"input": ["a", 1]}, (400, "invalid_input", "input[1]"), "must be a string"),
        ({"input": []}, (400, "invalid_input", "input"), "empty list"),
        ({"input": ["a"] * 2049}, (413, "too_large", "input"), "at most 2048"),
        ({"encoding_format": "hex"}, (400, "invalid_input", "encoding_format"), "float or base64"),
        ({"encoding_format": ["float"]}, (400, "invalid_input", "encoding_format"), "float or base64"),
        ({"dimensions": 8}, (400, "invalid_input", "dimensions"), "Leave dimensions out"),
        ({"dimensions": "64"}, (400, "invalid_input", "dimensions"), "Leave dimensions out"),
        ({"dimensions": True}, (400, "invalid_input", "dimensions"), "Leave dimensions out"),
    ],
)
def test_a_request_that_cannot_be_answered_gets_the_reason(
    service: Service, change: dict[str, Any], expected: tuple[int, str, str], words: str
) -> None:
    body = {name: value for name, value in ({"model": MODEL, "input": "天"} | change).items() if value is not ...}
    answer = service.ask("/v1/embeddings", body)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["field"]) == expected
    assert words in error["message"]


def test_a_null_field_counts_as_not_sent(service: Service) -> None:
    body = {"model": MODEL, "input": "天", "encoding_format": None, "dimensions": None, "user": None}
    assert service.ask("/v1/embeddings", body).status == 200


@pytest.mark.parametrize(
    "more",
    [
        {"drop_params": True},
        {"input_type": "query", "truncate": "END", "truncate_prompt_tokens": -1},
        {"user": {"not": ["a", "string"]}, "encoding_fromat": "hex", "task_type": "sing", "": None},
    ],
)
def test_a_field_that_is_not_known_changes_neither_status_nor_vector(service: Service, more: dict[str, Any]) -> None:
    bare = {"input": TEXTS}
    expected, answer = service.ask("/v1/embeddings", bare), service.ask("/v1/embeddings", bare | more)
    assert answer.status == 200, answer.text
    assert [one["embedding"] for one in answer.json["data"]] == [
        pytest.approx(one["embedding"], abs=1e-6) for one in expected.json["data"]
    ]


def test_2048_texts_are_one_request_and_each_is_answered_as_if_it_were_alone(
    service: Service, client: openai.OpenAI
) -> None:
    # Python's own JSON writes six bytes for a Chinese character.
    texts = [f"第{number}段：" + "北京大学的学生今天去了图书馆。" * 8 for number in range(2048)]
    data = client.embeddings.create(model=MODEL, input=texts).data
    assert [one.index for one in data] == list(range(2048))
    for number in (0, 1000, 2047):
        alone = service.predict("embedding", texts[number]).json["result"]
        assert data[number].embedding == pytest.approx(alone, abs=1e-5)


def test_a_blank_text_is_a_text_as_it_is_for_openai(service: Service) -> None:
    answer = service.ask("/v1/embeddings", {"model": MODEL, "input": ["天", "\n", " ", "👍🎉", "\u200b"]})
    assert answer.status == 200
    # The demo model knows no character of the last four, and gives them a vector all the same.
    assert [math.hypot(*one["embedding"]) for one in answer.json["data"]] == [pytest.approx(1, abs=1e-5)] * 5


def test_it_is_counted_as_the_task_embedding(service: Service) -> None:
    before = service.metrics()
    answer = service.ask("/v1/embeddings", {"model": MODEL, "input": TEXTS})
    service.ask("/v1/embeddings", data=b"nonsense")
    after = service.metrics()
    assert "inference;dur=" in answer.headers["Server-Timing"]
    prefixes = (
        "gte_task_requests",
        "gte_task_errors",
        "gte_task_latency_seconds_count",
        "gte_input",
        "gte_phase_seconds_count",
    )
    raised = {
        name: after[name] - before[name] for name in after if name.startswith(prefixes) and after[name] != before[name]
    }
    assert raised == {
        'gte_task_requests_total{status="success",task_type="embedding"}': 1,
        'gte_task_requests_total{status="invalid",task_type="embedding"}': 1,
        'gte_task_errors_total{reason="invalid_json",task_type="embedding"}': 1,
        'gte_task_latency_seconds_count{task_type="embedding"}': 2,
        'gte_input_tokens_total{task_type="embedding"}': 14,
        **{
            f'gte_phase_seconds_count{{phase="{phase}"}}': 1
            for phase in ("tokenize", "queue", "inference", "postprocess")
        },
    }


def test_a_model_that_is_not_ready_is_reported_here_too(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_MODEL_DIR="/nonexistent")
    service.wait_until("failed")
    for answer in (
        service.ask("/v1/embeddings", {"model": "/nonexistent", "input": "天"}),
        service.ask("/v1/models"),
        service.ask("/v1/models//nonexistent"),
    ):
        assert (answer.status, answer.json["error"]["code"]) == (503, "model_not_ready")
        assert int(answer.headers["Retry-After"]) > 0
