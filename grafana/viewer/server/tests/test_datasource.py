"""Queries reach Prometheus as they are, and nothing but queries does."""

import threading
import time
from pathlib import Path

import pytest
from running_viewer import FakePrometheus, RunningViewer
from werkzeug.exceptions import BadGateway, GatewayTimeout

from dashboard_viewer import datasource
from dashboard_viewer.web import LARGEST_FORM


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("query?query=up%7Bjob%3D%22a%2Bb%22%7D&time=1", "/api/v1/query?query=up%7Bjob%3D%22a%2Bb%22%7D&time=1"),
        ("query_range?query=up&start=1&end=2&step=1", "/api/v1/query_range?query=up&start=1&end=2&step=1"),
        ("labels?match[]=up&match[]=down", "/api/v1/labels?match[]=up&match[]=down"),
        ("series?match[]=up", "/api/v1/series?match[]=up"),
        ("label/task_type/values", "/api/v1/label/task_type/values"),
    ],
)
def test_a_query_is_passed_on_as_it_is(
    viewer: RunningViewer, prometheus: FakePrometheus, path: str, target: str
) -> None:
    answer = viewer.get(f"/api/datasource/{path}")
    assert (answer.status, answer.body) == (200, prometheus.body)
    assert [(asked.method, asked.target) for asked in prometheus.asked] == [("GET", target)]


def test_a_long_expression_is_passed_on_as_a_form(viewer: RunningViewer, prometheus: FakePrometheus) -> None:
    form = b"query=" + b"a" * (LARGEST_FORM - 6)
    assert viewer.post("/api/datasource/query", form).status == 200
    (asked,) = prometheus.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/api/v1/query", form)
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "path",
    [
        "/api/datasource/admin/tsdb/delete_series",
        "/api/datasource/targets",
        "/api/datasource/status/config",
        "/api/datasource/query/../targets",
        "/api/datasource/label/../targets/values",
        "/api/datasource/label/a%2f..%2fb/values",
        "/api/datasource/label/a%0d%0aX/values",
        "/api/datasource/label/%2e%2e/values",
        "/api/datasource/",
        "/api/v1/query?query=up",
    ],
)
def test_nothing_else_reaches_prometheus(viewer: RunningViewer, prometheus: FakePrometheus, path: str) -> None:
    for method in ("GET", "POST"):
        assert viewer.request(method, path).status in {404, 405}
    assert prometheus.asked == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_only_get_and_post_reach_prometheus(viewer: RunningViewer, prometheus: FakePrometheus, method: str) -> None:
    assert viewer.request(method, "/api/datasource/series?match[]=up").status == 405
    assert prometheus.asked == []


def test_no_header_of_the_browser_reaches_prometheus(viewer: RunningViewer, prometheus: FakePrometheus) -> None:
    viewer.get("/api/datasource/query?query=up", Cookie="secret=1", Authorization="Basic x", X_Other="y")
    assert set(prometheus.asked[0].headers) == {"Host", "Accept-Encoding"}


def test_a_page_of_another_site_may_not_ask(viewer: RunningViewer, prometheus: FakePrometheus) -> None:
    for site in ("cross-site", "same-site"):
        assert viewer.get("/api/datasource/query?query=up", Sec_Fetch_Site=site).status == 403
    assert prometheus.asked == []
    assert viewer.get("/api/datasource/query?query=up", Sec_Fetch_Site="same-origin").status == 200


def test_prometheus_own_status_and_words_are_passed_on(viewer: RunningViewer, prometheus: FakePrometheus) -> None:
    prometheus.status = 422
    prometheus.headers = {"Content-Type": "application/json", "Server": "x", "Set-Cookie": "a=b"}
    prometheus.body = b'{"status":"error","errorType":"execution","error":"too many samples"}'
    answer = viewer.get("/api/datasource/query?query=up")
    assert (answer.status, answer.body) == (422, prometheus.body)
    assert answer.headers.get_content_type() == "application/json"
    assert "Set-Cookie" not in answer.headers


def test_a_compressed_answer_stays_compressed(viewer: RunningViewer, prometheus: FakePrometheus) -> None:
    prometheus.headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    prometheus.body = b"\x1f\x8b not looked at"
    answer = viewer.get("/api/datasource/query?query=up", Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], answer.body) == ("gzip", prometheus.body)
    assert prometheus.asked[0].headers["Accept-Encoding"] == "gzip"


def test_a_form_that_is_too_large_or_no_form_is_refused(viewer: RunningViewer, prometheus: FakePrometheus) -> None:
    assert viewer.post("/api/datasource/query", b"query=" + b"a" * LARGEST_FORM).status == 413
    refused = viewer.post("/api/datasource/query", b'{"query": "up"}', "application/json")
    assert refused.status == 415
    assert "send application/x-www-form-urlencoded" in refused.json()["error"]
    assert prometheus.asked == []


def test_a_prometheus_that_is_away_is_told_and_logged(tmp_path: Path) -> None:
    prometheus = FakePrometheus()
    viewer = RunningViewer(tmp_path, prometheus)
    prometheus.stop()
    try:
        viewer.start()
        answer = viewer.get("/api/datasource/query?query=up")
        assert viewer.get("/api/health").status == 200
    finally:
        viewer.stop()
    assert answer.status == 502
    assert answer.json()["errorType"] == "bad_gateway"
    assert f"Prometheus can't be reached at {prometheus.address}" in answer.json()["error"]
    assert "WARNING query: Prometheus can't be reached" in viewer.log.read_text()


def test_an_answer_that_is_too_large_is_refused(prometheus: FakePrometheus) -> None:
    prometheus.body = b" " * (datasource.LARGEST_ANSWER + 1)
    with pytest.raises(BadGateway, match="larger than 16 MB"):
        datasource.ask(prometheus.address, "query", "query=up", None, "")
    prometheus.body = b" " * datasource.LARGEST_ANSWER
    assert len(datasource.ask(prometheus.address, "query", "query=up", None, "").data) == datasource.LARGEST_ANSWER


def test_an_answer_that_does_not_come_in_time_is_not_waited_for(
    prometheus: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasource, "LONGEST_SECONDS", 0.3)
    released = threading.Event()
    prometheus.before_answer = released.wait
    try:
        with pytest.raises(GatewayTimeout, match="has not answered within"):
            datasource.ask(prometheus.address, "query", "query=up", None, "")
    finally:
        released.set()


def test_an_answer_that_drips_is_not_waited_for(prometheus: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each block comes within the socket's own timeout: only the deadline ends this.
    monkeypatch.setattr(datasource, "LONGEST_SECONDS", 5.0)
    monkeypatch.setattr(datasource, "_BLOCK", 1)
    now = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    with pytest.raises(GatewayTimeout):
        datasource.ask(prometheus.address, "query", "query=up", None, "")


def test_an_answer_that_is_no_http_is_told(prometheus: FakePrometheus) -> None:
    prometheus.headers = {"Content-Type": "a" * 100_000}
    with pytest.raises(BadGateway):
        datasource.ask(prometheus.address, "query", "query=up", None, "")
