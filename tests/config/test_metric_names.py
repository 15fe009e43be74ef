"""Rules, dashboards, documents and programs name only what is in the metric contract, and this would be noticed."""

from __future__ import annotations

import re

import pytest

from tests.config.containers import ROOT, needs_engine
from tests.config.documents import documents, modules, programs, queries
from tests.config.mentions import document_faults, source_faults, text_faults
from tests.config.metrics import CONTRACT_SERIES, faults, matcher_faults, recorded_series
from tests.config.patterns import paths
from tests.config.promtool import RULES, TESTS
from tests.config.server import Server
from tools.metric_contract import CONTRACT, Label

RIGHT_QUERIES = [
    'gte_task_requests_total{task_type="qa",status!="invalid",job="gte-service",instance="10.0.0.2:9090"}',
    'gte_task_requests_total{task_type=~".*",status=~"error|inv.+"}',
    'gte_process_cpu_seconds_total{process=~"master|worker-[0-3]"}',
    'flask_http_request_total{method!~"GET|other",status=~"5.."}',
    'flask_http_request_duration_seconds_bucket{path=~"/v1/.*|unmatched",le="2.5"}',
    'gte_model_info{model!~"builtin:.+"}',
    'sum by (task_type) (job_task_type_status:gte_task_requests:rate1m{status=~"succ.*|error"}) or up{job="any"}',
]
WRONG_QUERIES = {
    "metric": "gte_task_request_total",
    "histogram without its suffix": "gte_task_latency_seconds",
    "label": "gte_workers{worker='1'}",
    "grouping": "sum by (task) (gte_workers)",
    "value": 'gte_task_requests_total{status="failed"}',
    "value that is excluded": 'gte_task_requests_total{status!="failed"}',
    "one of several values": 'gte_task_requests_total{status=~"error|failed"}',
    "value of a group": 'gte_task_requests_total{status=~"(error|in(valid|complete))"}',
    "one of several excluded values": 'gte_task_requests_total{status!~"error|failed"}',
    "value against a pattern": 'gte_process_threads{process="worker"}',
    "pattern against a pattern": 'gte_process_threads{process=~"worker_.*"}',
    "status of a task for that of HTTP": 'flask_http_request_total{status="error"}',
    "bound": 'gte_task_latency_seconds_bucket{le="4.0"}',
    "job": 'gte_workers{job="gte_service"}',
    "value of a recorded label": 'task_type_status:gte_task_requests:rate1m{status="failed"}',
    "label that a rule sums up": 'task_type:gte_task_failures_per_requests:ratio_rate1m{status="error"}',
    "expression that can't be judged": 'gte_task_requests_total{status=~"(error)+"}',
}
RIGHT_TEXTS = [
    '`gte_task_requests_total`, of which gte_task_requests_total{status="error"} are ours. 指标gte_workers的值。',
    "the histogram gte_task_latency_seconds{task_type='qa'} with gte_task_latency_seconds_bucket",
    "gte_model_* and gte_process_…, grep -E 'gte_model_(ready|download)', {__name__=~\"gte_task_.*\"}",
    "the package gte_service, python:gte_monitoring.gunicorn_conf, gte_service/tasks/, gte_x.csv",
    "prometheus_flask_exporter, iic/nlp_gte_sentence-embedding_chinese-large, gte-service, GTE_WORKERS, flask_cors",
    'printf "gte_model_download_bytes{instance=%q}" $labels.instance | query',
]
WRONG_TEXTS = {
    "metric": "See `gte_worker`.",
    "metric in Chinese text": "指标gte_worker的值",
    "metric of Flask": "flask_http_requests_total",
    "metric in bold": "**gte_worker**",
    "metric after a path": "http://127.0.0.1:9090/metrics?name[]=gte_worker",
    "recorded metric": "task_type:gte_task_requests:rate5m",
    "beginning": "gte_modell_*",
    "one of several beginnings": "gte_model_(ready|upload)",
    "label": 'gte_workers{worker="1"}',
    "label without a value": "gte_workers{worker=%q}",
    "value": 'gte_task_errors_total{reason="dead|line"}',
    "second value": "gte_task_requests_total{task_type=\"qa\", status='failed'}",
    "one of several values": 'gte_task_errors_total{reason=~"deadline|timeout"}',
}
RIGHT_PROGRAMS = [
    'one("gte_task_requests_total", task_type="qa", status=status)',
    'JOB = "a"; f"sum(gte_task_requests_total{{{JOB}}})"; f"gte_{JOB}_total"; f"gte_workers is {JOB:g}"',
]
WRONG_PROGRAMS = {
    "metric": 'NAME = "gte_worker"',
    "metric in a text with gaps": 'JOB = "a"; f"sum(gte_worker{{{JOB}}})"',
    "beginning": 'JOB = "a"; f"gte_modell_{JOB}"',
    "metric inside a gap": "f\"{one('gte_worker')}\"",
    "label": 'one("gte_workers", worker="1")',
    "label without a known value": 'one("gte_workers", worker=number)',
    "value": 'one("gte_task_requests_total", task_type="qa", status="failed")',
}


def test_there_is_something_to_check() -> None:
    assert {"README.md", "README.zh-CN.md", "docs/metrics.md", "gte-service/README.md"} <= set(documents())
    assert {path.split("/")[0] for path in programs()} == {"loadtest", "tests", "tools"}
    assert queries((ROOT / "docs" / "runbooks" / "GTE_TaskLatencyHigh.md").read_text())
    assert queries((ROOT / "docs" / "metrics.md").read_text())


@needs_engine
@pytest.mark.parametrize("document", documents())
def test_document_names_only_metrics_labels_and_values_of_the_contract(document: str, server: Server) -> None:
    text = (ROOT / document).read_text()
    assert document_faults(text, CONTRACT_SERIES | recorded_series(server), modules()) == []
    assert [fault for query in queries(text) for fault in faults(server, query)] == []


@needs_engine
@pytest.mark.parametrize("file", [*RULES, *TESTS])
def test_comments_annotations_and_test_series_of_rules_do_too(file: str, server: Server) -> None:
    # That rules don't care how a whole bound is written is itself tested.
    text = re.sub(r'\ble="(\d+)"', r'le="\1.0"', (ROOT / file).read_text())
    # Tests tell several services apart, and an app of one's own has the job that its owner gives it.
    if file in TESTS:
        text = re.sub(r'\bjob="[^"]*"', 'job="gte-service"', text)
    assert text_faults(text, CONTRACT_SERIES | recorded_series(server), modules()) == []


@needs_engine
@pytest.mark.parametrize("program", programs())
def test_program_asks_only_for_metrics_labels_and_values_of_the_contract(program: str, server: Server) -> None:
    assert source_faults((ROOT / program).read_text(), CONTRACT_SERIES | recorded_series(server), modules()) == []


@needs_engine
@pytest.mark.parametrize("query", RIGHT_QUERIES)
def test_right_query_has_no_fault(query: str, server: Server) -> None:
    assert faults(server, query) == []


@needs_engine
@pytest.mark.parametrize("wrong", WRONG_QUERIES)
def test_wrong_query_is_noticed(wrong: str, server: Server) -> None:
    assert len(faults(server, WRONG_QUERIES[wrong])) == 1


@pytest.mark.parametrize("text", RIGHT_TEXTS)
def test_right_text_has_no_fault(text: str) -> None:
    assert text_faults(text, CONTRACT_SERIES, modules()) == []


@pytest.mark.parametrize("wrong", WRONG_TEXTS)
def test_wrong_text_is_noticed(wrong: str) -> None:
    assert len(text_faults(WRONG_TEXTS[wrong], CONTRACT_SERIES, modules())) == 1


@pytest.mark.parametrize("program", RIGHT_PROGRAMS)
def test_right_program_has_no_fault(program: str) -> None:
    assert source_faults(program, CONTRACT_SERIES, modules()) == []


@pytest.mark.parametrize("wrong", WRONG_PROGRAMS)
def test_wrong_program_is_noticed(wrong: str) -> None:
    assert len(source_faults(WRONG_PROGRAMS[wrong], CONTRACT_SERIES, modules())) == 1


def test_in_the_python_of_a_page_only_strings_name_metrics() -> None:
    page = "gte_workers\n\n```python\nflask_app = one({})\n```\n\ngte_workers\n"
    assert document_faults(page.format('"gte_workers"'), CONTRACT_SERIES, modules()) == []
    assert len(document_faults(page.format('"gte_worker"'), CONTRACT_SERIES, modules())) == 1
    assert len(document_faults(page.format('"x"') + "gte_worker", CONTRACT_SERIES, modules())) == 1


def test_each_alternative_is_judged_by_itself() -> None:
    labels = {"status": (Label("status", ("error", "invalid")),)}
    found = list(matcher_faults("m", labels, (("status", "=~", "error|failed|in(valid|complete)"),)))
    assert found == ["m: no status matches 'failed'", "m: no status matches 'incomplete'"]


def test_a_label_of_several_sources_has_the_values_of_all() -> None:
    labels = {"status": (Label("status", ("error",)), Label("status", (), "[45]..")), "unknown": ()}
    asked = (("status", "=", "error"), ("status", "=", "404"), ("status", "=~", "4.+"), ("unknown", "=", "any"))
    assert list(matcher_faults("m", labels, asked)) == []
    assert list(matcher_faults("m", labels, (("status", "=", "304"),)))


def test_every_pattern_of_the_contract_can_be_judged() -> None:
    patterns = [label.pattern for metric in CONTRACT for label in metric.labels if label.pattern]
    assert patterns
    assert all(paths(pattern) for pattern in patterns)
