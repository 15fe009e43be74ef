"""Pages of other origins may ask only where the operator says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conftest import Answer, Service
from gte_service.errors import SettingsError
from gte_service.settings import read_settings

GOOD = {"task_type": "embedding", "input_text": "天"}
ALLOWED = "https://search.example:8443"


def allowed(answer: Answer) -> str | None:
    value: str | None = answer.headers["Access-Control-Allow-Origin"]
    return value


def test_nobody_is_allowed_unless_it_is_set(service: Service) -> None:
    for answer in (
        service.ask("/predict", GOOD, headers={"Origin": ALLOWED}),
        service.ask("/predict", headers={"Origin": ALLOWED, "Access-Control-Request-Method": "POST"}, method="OPTIONS"),
    ):
        assert [name for name in answer.headers if name.startswith("Access-Control")] == []


def test_a_listed_origin_may_send_requests_and_read_id_and_times(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_CORS_ORIGINS=f"http://127.0.0.1:8080, {ALLOWED}")
    service.wait_until("ready")
    answer = service.ask("/predict", GOOD, headers={"Origin": ALLOWED})
    assert (answer.status, allowed(answer)) == (200, ALLOWED)
    assert {"X-Request-ID", "Server-Timing"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Origin" in answer.headers["Vary"]
    # Errors too, or a page could not show them.
    assert allowed(service.ask("/predict", data=b"", headers={"Origin": ALLOWED})) == ALLOWED
    asked = {
        "Origin": ALLOWED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, authorization, x-api-key, x-request-id",
    }
    preflight = service.ask("/predict", headers=asked, method="OPTIONS")
    assert allowed(preflight) == ALLOWED
    assert {"GET", "POST"} == set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    granted = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(granted) == {"content-type", "authorization", "x-api-key", "x-request-id"}
    for other in (
        "https://other.example",
        "https://search.example",
        f"{ALLOWED}.evil.example",
        "null",
        "https://searchXexample:8443",
    ):
        answer = service.ask("/predict", GOOD, headers={"Origin": other})
        assert (answer.status, allowed(answer)) == (200, None)


@pytest.mark.parametrize(
    "value", ["search.example", "https://a.example/", "https://*.example", "https://a.example https://b", "**"]
)
def test_an_invalid_origin_is_reported(value: str) -> None:
    with pytest.raises(SettingsError, match="GTE_CORS_ORIGINS"):
        read_settings({"GTE_CORS_ORIGINS": value})


def test_origins_are_read() -> None:
    assert read_settings({"GTE_CORS_ORIGINS": "*"}).cors_origins == ("*",)
    assert read_settings({"GTE_CORS_ORIGINS": "http://a:1, ,https://b.c,"}).cors_origins == (
        "http://a:1",
        "https://b.c",
    )
    assert read_settings({}).cors_origins == ()
