"""The dashboards' queries: they parse, ask for what exists and was chosen, and name what the alerts compare."""

from __future__ import annotations

import pytest

from tests.config import board_queries
from tests.config.board_faults import Check
from tests.config.board_queries import QueryChecks
from tests.config.boards import Boards, filled_in, leaves, read
from tests.config.containers import needs_engine
from tests.config.documents import modules
from tests.config.mentions import text_faults
from tests.config.metrics import CONTRACT_SERIES, recorded_series
from tests.config.server import Server

pytestmark = needs_engine

QUERY_CHECKS = (
    "known", "variables", "others", "alert_lines", "red_from", "windows", "counters", "scope", "guards", "sides",
    "percentiles",
)  # fmt: skip


@pytest.fixture(scope="module")
def boards() -> Boards:
    return read()


@pytest.fixture(scope="module")
def checks(server: Server, boards: Boards) -> dict[str, Check]:
    return QueryChecks(server, boards).all


@pytest.mark.parametrize("check", QUERY_CHECKS)
def test_the_queries_have_no_fault(check: str, checks: dict[str, Check], boards: Boards) -> None:
    assert checks[check](boards) == []


def test_no_check_is_left_out(checks: dict[str, Check]) -> None:
    assert set(checks) == set(QUERY_CHECKS)


@pytest.mark.parametrize(
    ("exceptions", "check"),
    [
        ("OTHER_WINDOW", "windows"), ("RAW_COUNTER", "counters"), ("ALL_TASKS", "scope"), ("UNGUARDED", "guards"),
        ("NO_REQUESTS", "percentiles"),
    ],
)  # fmt: skip
def test_every_exception_is_needed(
    exceptions: str, check: str, server: Server, boards: Boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    excepted = vars(board_queries)[exceptions]
    monkeypatch.setattr(board_queries, exceptions, {})
    found = QueryChecks(server, boards).all[check](boards)
    assert [panel for panel in excepted if not any(f" {' '.join(panel)} " in one for one in found)] == []


def test_titles_descriptions_and_variables_name_metrics_that_exist(server: Server, boards: Boards) -> None:
    series = CONTRACT_SERIES | recorded_series(server)
    texts = {text for model in boards.models.values() for _, text in leaves(model) if isinstance(text, str)}
    assert [fault for text in texts for fault in text_faults(filled_in(text), series, modules())] == []


def test_an_expression_that_does_not_parse_is_noticed(server: Server) -> None:
    with pytest.raises(ValueError, match="can't parse"):
        server.parse("rate(gte_workers)[5m]")
