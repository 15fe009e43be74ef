"""Scrapes are read from Prometheus' API with their exact moments and values, however long the range is."""

from __future__ import annotations

import json
import socket

import pytest

from tools.reconcile.errors import PrometheusError
from tools.reconcile.scrapes import ERRORS, LATENCY, REQUESTS, Key, Scrape, read_scrapes
from tools.reconcile.tests.fake_prometheus import FakePrometheus

REQUEST = Key(REQUESTS, "embedding", "success")


def some(count: int, begin: float = 1000.0) -> list[Scrape]:
    return [
        Scrape("a:9090", round(begin + 5.001 * number, 3), 0.01, {REQUEST: 10**9 + number}) for number in range(count)
    ]


def test_counters_are_read_by_task_and_by_status_or_reason(prometheus: FakePrometheus) -> None:
    counts = {REQUEST: 7, Key(ERRORS, "qa", "deadline"): 2, Key(LATENCY, "qa", ""): 9}
    scrapes = [Scrape("a:9090", 1000.123, 0.25, counts)]
    prometheus.scraped(scrapes)
    assert read_scrapes(prometheus.address, 900, 1100) == scrapes


def test_scrapes_of_all_instances_are_in_order_of_time(prometheus: FakePrometheus) -> None:
    first, second = Scrape("b:9090", 1000.5, 0.5, {REQUEST: 1}), Scrape("a:9090", 1001.5, 0.5, {REQUEST: 2})
    third, at_the_same_moment = Scrape("a:9090", 1006.5, 0.5, {}), Scrape("b:9090", 1006.5, 0.5, {REQUEST: 1})
    prometheus.scraped([second, third])
    prometheus.scraped([first, at_the_same_moment])
    assert read_scrapes(prometheus.address, 900, 1100) == [first, second, third, at_the_same_moment]


def test_the_start_of_the_counters_is_read_to_the_microsecond(prometheus: FakePrometheus) -> None:
    scrapes = [Scrape("a:9090", 1000.0, 0.1, {}, 1795377480.123457), Scrape("a:9090", 1005.0, 0.1, {}, None)]
    prometheus.scraped(scrapes)
    assert read_scrapes(prometheus.address, 900, 1100) == scrapes


@pytest.mark.parametrize("closed", [False, True])
def test_a_long_range_is_read_in_steps_without_a_gap_and_without_doubles(
    prometheus: FakePrometheus, closed: bool
) -> None:
    prometheus.closed = closed
    scrapes = some(800)
    prometheus.scraped(scrapes)
    found = read_scrapes(prometheus.address, scrapes[0].at, scrapes[-1].at)
    assert found == scrapes
    assert len(prometheus.queries) == 5
    assert all("[900000ms]" in query for query in prometheus.queries[:4])


def test_what_lies_outside_the_range_is_left_out(prometheus: FakePrometheus) -> None:
    scrapes = some(5)
    prometheus.scraped(scrapes)
    assert read_scrapes(prometheus.address, scrapes[1].at, scrapes[3].at) == scrapes[1:4]


def test_a_scrape_that_failed_is_left_out(prometheus: FakePrometheus) -> None:
    prometheus.scraped(some(1))
    prometheus.sample("up", 1005.0, 0, instance="a:9090")
    prometheus.sample("scrape_duration_seconds", 1005.0, 4.0, instance="a:9090")
    assert read_scrapes(prometheus.address, 900, 1100) == some(1)


def test_a_scrape_without_counters_has_counted_nothing(prometheus: FakePrometheus) -> None:
    prometheus.sample("up", 1000.0, 1, instance="a:9090")
    prometheus.sample("scrape_duration_seconds", 1000.0, 0.01, instance="a:9090")
    assert read_scrapes(prometheus.address, 900, 1100) == [Scrape("a:9090", 1000.0, 0.01, {})]


def test_other_metrics_are_not_asked_for(prometheus: FakePrometheus) -> None:
    prometheus.sample("gte_active_requests", 1000.0, 3, instance="a:9090", task_type="qa")
    assert read_scrapes(prometheus.address, 900, 1100) == []


def test_no_answer_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PrometheusError, match=rf"doesn't answer at {address}: .*refused.*PROMETHEUS_PORT"):
            read_scrapes(address, 900, 1100)


def test_without_a_published_port_there_is_a_message() -> None:
    with pytest.raises(PrometheusError, match="publishes no port"):
        read_scrapes("", 900, 1100)


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"[]", b'{"error": {"code": "not_found"}}'])
def test_what_is_not_prometheus_is_named(prometheus: FakePrometheus, body: bytes) -> None:
    prometheus.answer = (404, body)
    with pytest.raises(PrometheusError, match=r"is not Prometheus \(HTTP 404"):
        read_scrapes(prometheus.address, 900, 1100)


def test_a_query_that_is_refused_is_said_in_the_words_of_prometheus(prometheus: FakePrometheus) -> None:
    prometheus.answer = (422, json.dumps({"status": "error", "error": "too many samples"}).encode())
    with pytest.raises(PrometheusError, match="refuses a query: too many samples"):
        read_scrapes(prometheus.address, 900, 1100)
