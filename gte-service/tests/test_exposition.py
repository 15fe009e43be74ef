"""What /metrics answers: in which format, how much of it, and never more series than it should."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from conftest import Answer, Service
from gte_monitoring.contract import REASONS, STATUSES, UNKNOWN_TASK
from gte_service.contract import CONTRACT, TASK_TYPES

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture(scope="module")
def used(service: Service) -> Service:
    """A service that has answered a request of each task."""
    for task in TASK_TYPES:
        service.predict(task, "张三在北京参加了奥运会")
    service.predict("embedding", "天气")
    return service


def scrape(service: Service, path: str = "/metrics", **headers: str) -> Answer:
    return service.ask(path, port=service.metrics_port, headers=headers)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain; version=1.0.0; charset=utf-8"),
        # What Prometheus 3.5 sends.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPENMETRICS,
        ),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(used: Service, accept: str, content_type: str) -> None:
    answer = scrape(used, Accept=accept)
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.text.endswith("# EOF\n") == content_type.startswith("application/openmetrics-text")


@pytest.mark.parametrize(("accept", "parse"), [("", parse_text), (OPENMETRICS, parse_openmetrics)])
def test_every_metric_of_the_contract_is_there_with_its_type_help_and_labels(
    used: Service, accept: str, parse: Callable[[str], Iterable[Family]]
) -> None:
    families = {family.name: family for family in parse(scrape(used, Accept=accept).text)}
    for entry in CONTRACT:
        family = families.pop(entry.name.removesuffix("_total"))
        assert (family.type, family.documentation) == (entry.kind, entry.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(entry.label_names)
            for label in entry.labels:
                assert label.allows(sample.labels[label.name]), (sample, label)
        if entry.bounds:
            bounds = {sample.labels["le"] for sample in family.samples if sample.name.endswith("_bucket")}
            assert sorted(map(float, bounds)) == [*entry.bounds, float("inf")]
        # Most tests' services ask themselves nothing: test_probes.py has one that does.
        assert bool(family.samples) != entry.name.startswith("gte_probe_"), entry.name
    assert families == {}


def test_every_series_of_a_task_is_there_before_its_first_request(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1")
    service.wait_until("ready")
    metrics = service.metrics()
    for task in (*TASK_TYPES, UNKNOWN_TASK):
        for status in STATUSES:
            assert metrics[f'gte_task_requests_total{{status="{status}",task_type="{task}"}}'] == 0
        for reason in REASONS:
            assert metrics[f'gte_task_errors_total{{reason="{reason}",task_type="{task}"}}'] == 0
        assert metrics[f'gte_task_latency_seconds_bucket{{le="2.0",task_type="{task}"}}'] == 0
        assert metrics[f'gte_task_latency_seconds_sum{{task_type="{task}"}}'] == 0
        assert metrics[f'gte_active_requests{{task_type="{task}"}}'] == 0


def test_gzip_is_sent_to_who_takes_it(used: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", used.metrics_port, timeout=10)
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    packed = answer.read()
    connection.close()
    assert answer.getheader("Content-Encoding") == "gzip"
    assert b"gte_task_requests_total" in gzip.decompress(packed)
    assert "Content-Encoding" not in scrape(used).headers


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["gte_workers"], {"gte_workers"}),
        (["gte_task_requests_total", "gte_model_ready"], {"gte_task_requests_total", "gte_model_ready"}),
        (
            ["gte_task_latency_seconds"],
            {f"gte_task_latency_seconds_{part}" for part in ("bucket", "count", "sum")},
        ),
        (["gte_task_latency_seconds_sum"], {"gte_task_latency_seconds_sum"}),
        (["no_such_metric"], set()),
    ],
)
def test_only_what_is_named_is_shown(used: Service, names: list[str], expected: set[str]) -> None:
    answer = scrape(used, "/metrics?" + "&".join(f"name[]={name}" for name in names))
    assert {sample.name for family in parse_text(answer.text) for sample in family.samples} == expected


def test_head_is_answered_as_get_is_but_without_a_body(used: Service) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", used.metrics_port, timeout=10)) as connection:
        for path in ("/metrics", "/metrics?name[]=gte_model_ready", "/replicas", "/favicon.ico"):
            connection.request("GET", path)
            full = connection.getresponse()
            body = full.read()
            connection.request("HEAD", path)
            answer = connection.getresponse()
            assert answer.read() == b""
            assert answer.status == full.status
            assert answer.getheader("Content-Type") == full.getheader("Content-Type")
            # What the process has used grows from one scrape to the next.
            assert int(answer.getheader("Content-Length", "0")) == pytest.approx(len(body), rel=0.1)


def test_no_client_can_add_series(service: Service) -> None:
    def series() -> set[str]:
        return {name for name in service.metrics() if "gte_process" not in name and "heartbeat" not in name}

    def send(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        try:
            for each in range(number, number + 500):
                body = f'{{"task_type": "task-{each}", "input_text": "x", "request_id": "{each}"}}'
                for method, path, data in (
                    ("POST", "/predict", body),
                    ("GET", f"/path-{each}", None),
                    (f"METHOD{each}", "/predict", None),
                ):
                    connection.request(
                        method, path, data, {"Content-Type": "application/json", "X-Request-ID": f"r{each}"}
                    )
                    answer = connection.getresponse()
                    answer.read()
                    assert answer.status in {400, 404, 405}
        finally:
            connection.close()

    first = service.metrics()
    # Every kind once, so that all that can come is there.
    send(0)
    before = series()
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(send, range(500, 10_000, 500)))
    grown = {name for name in series() - before if not name.startswith("flask_http_request_duration_seconds_bucket")}
    assert grown == set()
    metrics = service.metrics()
    for name in (
        'flask_http_request_total{method="other",status="405"}',
        'flask_http_request_total{method="GET",status="404"}',
        'gte_task_errors_total{reason="unknown_task",task_type="unknown"}',
    ):
        assert metrics[name] - first.get(name, 0) == 10_000, name
    # The files have the bounds of latency besides, and no more.
    size = sum(1 for name in service.metrics())
    assert size < 1500
