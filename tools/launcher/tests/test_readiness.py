"""The model's state, as /readyz gives it."""

from __future__ import annotations

import json

import pytest

from tools.launcher.compose import Port, Service, Stack
from tools.launcher.readiness import ModelState, ask_model
from tools.launcher.tests.conftest import Serve


def stack_at(address: str) -> Stack:
    host, _, port = address.partition(":")
    return Stack("p", {"gte-service": Service("gte-service", "gte:1", ports=(Port(host, int(port), 5000),))})


@pytest.mark.parametrize("status", [200, 503])
def test_the_state_is_read_ready_or_not(serve: Serve, status: int) -> None:
    body = {"status": "downloading", "detail": "downloading 43 % of a/b", "model": "a/b", "revision": "", "demo": False}
    state = ask_model(stack_at(serve(status, "application/json", json.dumps(body).encode())))
    assert state == ModelState("downloading", "downloading 43 % of a/b", "a/b", "", demo=False)
    assert state.line == "downloading 43 % of a/b"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff"])
def test_another_body_counts_as_no_answer(serve: Serve, body: bytes) -> None:
    assert ask_model(stack_at(serve(200, "application/json", body))) == ModelState()


def test_a_service_that_is_not_there_gives_no_answer() -> None:
    assert ask_model(stack_at("127.0.0.1:1")) == ModelState()


def test_a_gateway_is_asked_where_the_service_publishes_no_port(serve: Serve) -> None:
    (gateway,) = stack_at(serve(200, "application/json", b'{"status": "ready"}')).services.values()
    stack = Stack("p", {"gte-service": Service("gte-service", "gte:1"), "gateway": gateway})
    assert ask_model(stack).status == "ready"


def test_a_port_that_is_not_published_is_not_asked() -> None:
    assert ask_model(Stack("p", {"gte-service": Service("gte-service", "gte:1")})) == ModelState()
