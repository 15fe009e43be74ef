"""What /readyz says, and what is made of silence."""

from __future__ import annotations

import json

import pytest

from tools.launcher.compose import Port, Service, Stack
from tools.launcher.readiness import ModelState, ask_model, parse_readiness
from tools.launcher.tests.conftest import Serve


def stack_at(port: int) -> Stack:
    return Stack("p", {"gte-service": Service("gte-service", "gte:1", ports=(Port("127.0.0.1", port, 5000),))})


@pytest.mark.parametrize("status", [200, 503])
def test_the_state_is_read_ready_or_not(serve: Serve, status: int) -> None:
    said = {"status": "downloading", "detail": "downloading 43 % of a/b", "model": "a/b", "revision": "", "demo": False}
    port = int(serve(status, "application/json", json.dumps(said).encode()).partition(":")[2])
    state = ask_model(stack_at(port))
    assert state == ModelState("downloading", "downloading 43 % of a/b", "a/b", "", demo=False)
    assert state.line == "downloading 43 % of a/b"


def test_ready_is_one_word() -> None:
    assert parse_readiness(b'{"status": "ready", "detail": "the model has answered"}').line == "ready"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff"])
def test_another_body_is_no_answer(body: bytes) -> None:
    assert parse_readiness(body) == ModelState()


def test_no_service_is_no_answer() -> None:
    assert ask_model(stack_at(1)) == ModelState()
