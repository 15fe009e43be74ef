"""The suggestions: a made-up Prometheus behind a `docker` of our own."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.baseline.suggestion import Suggestion
from tools.tests.made_up_stack import run_tool, running_prometheus

RECORDED = "job_task_type:gte_task_latency_seconds:"


def suggestion(**changes: Any) -> Suggestion:
    usual: dict[str, Any] = {
        "job": "gte-service", "task": "ner", "minutes": 1440, "figures": 1440, "requests": 9000.0,
        "median": 0.4, "limit": 0.6, "now": 0.41,
    }  # fmt: skip
    return Suggestion(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "1.5 x median of 24 h"),
        ({"limit": 0.62}, "median of 24 h + 6 x median deviation (1.55 x median)"),
        ({"limit": 0.64}, "1.6 x median of 24 h, because the P95 swings"),
        ({"median": 0.01, "limit": 0.1}, "0.1 s: nobody notices less"),
        ({"limit": None, "requests": 0.2}, "no limit: nobody has asked for it"),
        (
            {"limit": None, "minutes": 359, "figures": 300},
            "not yet: too young, 6.0 h of history and 6 h are needed (300 of 360 figures)",
        ),
        (
            {"limit": None, "minutes": 360, "figures": 12, "median": 0.3},
            "not yet: too thin, 20 requests in five minutes came in 12 of 360 min, "
            "and 360 such minutes a day are needed",
        ),
    ],
)
def test_the_reason_is_that_of_the_rules_or_says_what_is_missing(changes: dict[str, Any], why: str) -> None:
    assert suggestion(**changes).why() == why


def test_the_rule_names_job_and_task_and_rounds_the_limit_up() -> None:
    text = "\n".join(suggestion(job='a"b', limit=0.6012).rule())
    assert r'{job="a\"b",task_type="ner"}[10m]) > 0.61' in text
    assert list(suggestion(limit=None).rule()) == []


@dataclass
class Stack:
    """What `docker` and Prometheus answer: the value of each task by a piece of the query."""

    folder: Path
    port: int = 0
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    refusal: str = ""

    def answer(self, target: str) -> dict[str, Any]:
        if self.refusal:
            return {"status": "error", "error": self.refusal}
        query = parse_qs(urlsplit(target).query)["query"][0]
        (piece,) = [piece for piece in self.values if piece in query] or [""]
        result = [
            {"metric": {"job": "gte-service", "task_type": task}, "value": [1764000000, str(value)]}
            for task, value in self.values.get(piece, {}).items()
        ]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    def baseline(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_tool("tools.baseline", arguments, self.folder, self.port)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    with running_prometheus(stack.answer) as stack.port:
        yield stack


MINUTES, REQUESTS = "gte_task_latency_seconds_count", "gte_task_requests_total"
FIGURES, NOW = f"count_over_time({RECORDED}p95_rate5m", f"avg_over_time({RECORDED}p95_rate5m"
MEDIAN, LIMIT = f"{RECORDED}p95_median1d", f"{RECORDED}p95_limit"


def test_the_command_prints_a_table_and_a_rule_for_each_task_that_has_a_limit(stack: Stack) -> None:
    stack.values = {
        MINUTES: {"ner": 1440, "qa": 1440},
        REQUESTS: {"ner": 9000, "qa": 30},
        FIGURES: {"ner": 1400, "qa": 2},
        MEDIAN: {"ner": 0.4, "qa": 0.2},
        LIMIT: {"ner": 0.6},
        NOW: {"ner": 0.41},
    }
    done = stack.baseline()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"gte-service +ner +9000 +1400 +0.400 s +0.410 s +0.600 s  1.5 x median of 24 h\n", done.stdout)
    assert re.search(r"gte-service +qa +30 +2 +0.200 s +– +–  not yet: too thin", done.stdout)
    assert re.findall(r'expr: .*task_type="(\w+)".* > (.+)', done.stdout) == [("ner", "0.6")]
    found = json.loads(stack.baseline("--json").stdout)
    assert [(one["task"], one["limit"], one["why"][:7]) for one in found] == [
        ("ner", 0.6, "1.5 x m"),
        ("qa", None, "not yet"),
    ]


def test_no_limit_anywhere_ends_with_1_and_prints_no_rule(stack: Stack) -> None:
    stack.values = {MINUTES: {"ner": 60}, REQUESTS: {"ner": 900}, FIGURES: {"ner": 56}, MEDIAN: {"ner": 0.4}}
    done = stack.baseline()
    assert (done.returncode, "too young" in done.stdout, "groups:" in done.stdout) == (1, True, False)


@pytest.mark.parametrize(
    ("change", "words"),
    [({}, "has no gte_task_latency_seconds"), ({"refusal": "too many samples"}, "too many samples"),
     ({"port": 1}, "doesn't answer")],
)  # fmt: skip
def test_without_history_or_answer_it_ends_with_3(stack: Stack, change: dict[str, Any], words: str) -> None:
    for name, value in change.items():
        setattr(stack, name, value)
    done = stack.baseline()
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr


def test_an_unknown_option_is_wrong_usage(stack: Stack) -> None:
    assert stack.baseline("--jobs").returncode == 2
