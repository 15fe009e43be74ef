"""The closed loop counts what a real server answered, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tools.bench.http_phase import requests
from tools.bench.load import Client, WrongAnswer, run_slice
from tools.bench.services import INFINITY, SERVICES
from tools.bench.tests.fake_service import FakeService, vector

TEXTS = [f"第{number}" for number in range(12)]


def test_each_text_is_sent_once_by_so_many_at_a_time() -> None:
    with FakeService(seconds=0.05) as service:
        found = run_slice([service.client() for _ in range(4)], TEXTS, 1)
    assert Counter(service.texts) == Counter(TEXTS)
    assert service.most_at_a_time == 4
    assert (found.clients, found.round, len(found.latencies), found.errors) == (4, 1, 12, {})


def test_a_connection_is_kept_from_request_to_request() -> None:
    with FakeService() as service:
        run_slice([service.client() for _ in range(3)], TEXTS, 1)
    assert service.connections <= 3


def test_latencies_and_rate_are_what_the_server_took() -> None:
    with FakeService(seconds=0.1) as service:
        found = run_slice([service.client() for _ in range(4)], TEXTS, 1)
    assert all(0.1 <= latency < 0.3 for latency in found.latencies)
    # Three times four requests of 0.1 s.
    assert 0.3 <= found.seconds < 0.8
    assert found.rate == pytest.approx(12 / found.seconds)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((503, {"error": {"code": "overloaded"}}), "status 503"),
        ((200, {"result": [1.0]}), "a vector of 1 numbers"),
        ((200, {"result": ["a", "b", "c"]}), "no vector in the answer"),
        ((200, {"result": "abc"}), "no vector in the answer"),
        ((200, {"other": []}), "no vector in the answer"),
        ((200, b"<html>"), "no vector in the answer"),
        ((200, []), "no vector in the answer"),
        ((200, None), "RemoteDisconnected"),
    ],
)
def test_what_is_no_vector_is_an_error_and_no_throughput(wrong: tuple[int, Any], said: str) -> None:
    with FakeService(lambda text: wrong if text in TEXTS[:5] else vector(text)) as service:
        found = run_slice([service.client() for _ in range(2)], TEXTS, 1)
    assert found.errors == {said: 5}
    assert len(found.latencies) == 7
    assert found.rate == pytest.approx(7 / found.seconds)


def test_an_answer_that_takes_too_long_is_lost() -> None:
    with FakeService(seconds=0.5) as service:
        found = run_slice([service.client(timeout=0.1)], TEXTS[:1], 1)
    assert found.errors == {"TimeoutError": 1}
    assert (found.latencies, found.rate, found.mean_latency) == ((), 0.0, 0.0)


def test_a_lost_answer_does_not_spoil_the_next_request() -> None:
    def slow_at_first(text: str) -> tuple[int, Any]:
        time.sleep(0.5 if text == TEXTS[0] else 0.0)
        return vector(text)

    with FakeService(slow_at_first) as service:
        found = run_slice([service.client(timeout=0.2)], TEXTS, 1)
    assert found.errors == {"TimeoutError": 1}
    assert len(found.latencies) == 11


def test_a_service_that_is_not_there_is_an_error() -> None:
    with FakeService() as service:
        client = service.client()
    with pytest.raises(WrongAnswer, match="ConnectionRefusedError"):
        client.ask("一")


def test_the_other_protocol_is_understood() -> None:
    endpoint = SERVICES[INFINITY].endpoint
    assert endpoint.body("一") == {"model": "gte", "input": ["一"]}
    assert endpoint.vector({"data": [{"embedding": [1.0, 2.0]}]}) == [1.0, 2.0]
    Client("127.0.0.1:1", endpoint, 2).close()


def test_each_client_can_send_two_requests() -> None:
    assert [requests(10, clients) for clients in (1, 8, 32)] == [10, 16, 64]
