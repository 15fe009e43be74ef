"""The panels' queries parse, ask for metrics that exist, and give the right figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.config.boards import NAMES, board, expressions, filled_in, panel, texts
from tests.config.containers import needs_engine
from tests.config.documents import modules
from tests.config.mentions import text_faults
from tests.config.metrics import CONTRACT_SERIES, faults, recorded_series
from tests.config.promtool import promtool
from tests.config.server import Server

pytestmark = needs_engine

EVERY_EXPRESSION = [(name, expression) for name in NAMES for expression in expressions(name)]
# 100 requests in 5 s, each 2 s to 5 s long; of those that were valid 2 % failed.
BUSY = {
    'gte_task_requests_total{task_type="qa",status="success"}': "0+49x30",
    'gte_task_requests_total{task_type="qa",status="error"}': "0+1x30",
    'gte_task_requests_total{task_type="qa",status="invalid"}': "0+50x30",
    'gte_task_latency_seconds_bucket{task_type="qa",le="2.0"}': "0x30",
    'gte_task_latency_seconds_bucket{task_type="qa",le="5.0"}': "0+100x30",
    'gte_task_latency_seconds_bucket{task_type="qa",le="+Inf"}': "0+100x30",
    'gte_phase_seconds_sum{phase="inference"}': "0+150x30",
    'gte_phase_seconds_count{phase="inference"}': "0+100x30",
    "gte_inference_busy_seconds_total": "0+5x30",
    "gte_inference_slots": "4x30",
    'gte_model_info{model="builtin:lexical",revision="0123456789abcdef"}': "1x30",
}
IDLE = {series: values.replace("0+", "").replace("+", "") for series, values in BUSY.items()}
WITH_TRAFFIC: list[tuple[str, dict[str, float]]] = [
    ("QPS by task", {'{task_type="qa"}': 20}),
    ("P95 latency by task", {'{task_type="qa"}': 4.85}),
    ("Share of errors by task", {'{task_type="qa"}': 0.02}),
    ("Latency of all requests", {'{le="2.0"}': 0, '{le="5.0"}': 400, '{le="+Inf"}': 400}),
    ("Where the time goes", {'{phase="inference"}': 1.5}),
    ("Inference slots busy", {"{}": 0.25}),
]
WITHOUT_TRAFFIC: list[tuple[str, dict[str, float]]] = [
    ("QPS by task", {'{task_type="qa"}': 0}),
    ("P95 latency by task", {}),
    ("Share of errors by task", {}),
    ("Where the time goes", {}),
]


@pytest.mark.parametrize(("name", "expression"), EVERY_EXPRESSION)
def test_expression_parses_and_asks_for_metrics_that_exist(name: str, expression: str, server: Server) -> None:
    assert faults(server, filled_in(expression)) == []


@pytest.mark.parametrize(("name", "expression"), EVERY_EXPRESSION)
def test_expression_parses_with_chosen_tasks(name: str, expression: str, server: Server) -> None:
    server.parse(filled_in(expression, tasks="embedding|similarity"))


@pytest.mark.parametrize("name", NAMES)
def test_titles_descriptions_and_variables_name_metrics_that_exist(name: str, server: Server) -> None:
    series = CONTRACT_SERIES | recorded_series(server)
    assert [fault for text in texts(board(name)) for fault in text_faults(filled_in(text), series, modules())] == []


def test_an_expression_that_does_not_parse_is_noticed(server: Server) -> None:
    with pytest.raises(ValueError, match="can't parse"):
        server.parse("rate(gte_workers)[5m]")


@pytest.mark.parametrize(("title", "expected"), WITH_TRAFFIC)
def test_panel_shows_the_right_figure(title: str, expected: dict[str, float], tmp_path: Path) -> None:
    evaluate(BUSY, title, expected, tmp_path)


@pytest.mark.parametrize(("title", "expected"), WITHOUT_TRAFFIC)
def test_panel_draws_no_line_where_there_was_no_request(title: str, expected: dict[str, float], tmp_path: Path) -> None:
    evaluate(IDLE, title, expected, tmp_path)


def test_the_demo_model_is_named_by_the_marked_query_only(tmp_path: Path) -> None:
    evaluate(BUSY, "Model and revision", {}, tmp_path, query=0)
    evaluate(BUSY, "Model and revision", {'{model="builtin:lexical",short="0123456789ab"}': 1}, tmp_path, query=1)


def test_a_short_revision_is_shown_in_full(tmp_path: Path) -> None:
    series = {'gte_model_info{model="iic/gte",revision="0123"}': "1x30"}
    evaluate(series, "Model and revision", {'{model="iic/gte",short="0123"}': 1}, tmp_path, query=0)


def evaluate(series: dict[str, str], title: str, expected: dict[str, float], folder: Path, query: int = 0) -> None:
    asked: dict[str, Any] = {
        "expr": filled_in(panel("gte-overview.json", title)["targets"][query]["expr"]),
        "eval_time": "2m",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
    }
    test = {
        "interval": "5s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [asked],
    }
    folder.chmod(0o755)
    # JSON is YAML too.
    file = folder / "panel.yml"
    file.write_text(json.dumps({"evaluation_interval": "5s", "fuzzy_compare": True, "tests": [test]}))
    file.chmod(0o644)
    promtool("test", "rules", "panel.yml", folder=folder)
