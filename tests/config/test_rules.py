"""The rules: accepted, right about when to fire, complete in their texts, and asking for metrics that exist."""

from __future__ import annotations

import re
from functools import cache
from itertools import permutations

import pytest

from tests.config.containers import ROOT, needs_engine
from tests.config.metrics import faults, recorded_series
from tests.config.promtool import ALERTS, RULES, TESTS, failures, promtool
from tests.config.server import Selector, Server, selectors

pytestmark = needs_engine

SCRAPE_INTERVAL = 5


failures_once = cache(failures)


def named_tests() -> list[tuple[str, str]]:
    return [
        (tests, name) for tests in TESTS for name in re.findall(r"^  - name: (.+)$", (ROOT / tests).read_text(), re.M)
    ]


def asked_by_rules(server: Server) -> list[Selector]:
    rules = server.alerts() + server.recordings()
    return [selector for rule in rules for selector in selectors(server.parse(rule["query"]))]


def test_configuration_is_accepted() -> None:
    promtool("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")


@pytest.mark.parametrize("rules", RULES)
def test_rules_are_accepted_by_every_linter(rules: str) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", rules.removeprefix("prometheus/"))


@pytest.mark.parametrize(("tests", "name"), named_tests(), ids=lambda value: value)
def test_rule(tests: str, name: str) -> None:
    assert failures_once(tests)[name] == ""


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_says_what_it_means_in_both_languages(alert: str, server: Server) -> None:
    (rule,) = [rule for rule in server.alerts() if rule["name"] == alert]
    texts = rule["annotations"]
    assert set(texts) == {"summary", "summary_zh", "description", "description_zh", "runbook"}
    assert texts["runbook"] == f"docs/runbooks/{alert}.md"
    assert rule["labels"]["severity"] in ("critical", "warning")
    for name, text in texts.items():
        assert bool(re.search("[\u4e00-\u9fff]", text)) == name.endswith("_zh"), name
    assert rule["duration"] > 0, "without `for` one bad scrape would fire it"


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_is_seen_firing_by_a_test_of_its_whole_text(alert: str) -> None:
    shown = "\n".join((ROOT / tests).read_text() for tests in TESTS)
    assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", shown)


def test_rules_ask_only_for_metrics_and_labels_of_the_contract(server: Server) -> None:
    rules = server.alerts() + server.recordings()
    assert {rule["name"]: found for rule in rules if (found := faults(server, rule["query"]))} == {}


def test_every_range_holds_at_least_4_scrapes(server: Server) -> None:
    asked = asked_by_rules(server)
    short = [selector for selector in asked if 0 < selector.seconds < 4 * SCRAPE_INTERVAL]
    assert asked
    assert short == []


def test_no_rule_matches_a_bound_which_may_be_written_2_or_2_0(server: Server) -> None:
    asked = asked_by_rules(server)
    assert [selector for selector in asked if any(name == "le" for name, _, _ in selector.matchers)] == []


def test_recorded_names_are_level_metric_operation(server: Server) -> None:
    for name, labels in recorded_series(server).items():
        level, metric, operation = name.split(":")
        assert level in {"_".join(order) for order in permutations(labels)}, name
        assert metric.startswith("gte_"), name
        assert re.fullmatch(r"((p\d\d|ratio)_)?rate(30s|1m)", operation), name
