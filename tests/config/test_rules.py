"""The rules: accepted, right about when to fire, complete in their texts, and asking for metrics that exist."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import permutations
from typing import Any

import pytest

from tests.config.containers import ROOT, needs_engine
from tests.config.metrics import faults, label_names_of, recorded_series
from tests.config.promtool import ALERTS, RULES, TESTS, failures, promtool
from tests.config.server import Selector, Server, selectors, subqueries
from tests.config.vectors import changing_part, matching_faults, reach_seconds, uses_absent

pytestmark = needs_engine

SCRAPE_INTERVAL = 5
MOST_ALERTS = 30
SEVERITIES = {"critical", "warning", "info", "none"}
ANNOTATIONS = {"summary", "summary_zh", "description", "description_zh", "runbook_url", "dashboard_url"}
# What a recorded name says was done, before its window: the one place to add another.
OPERATIONS = (
    r"(p\d\d_|ratio_)?rate", "increase", r"(p\d\d_)?(p\d\d_|median)", "ratio", "last", "only",
)  # fmt: skip
# These have no window of their own.
STATES = {"p95_deviation", "p95_limit", "p95_latest", "ratio_latest", "seen", "before"}


failures_once = cache(failures)


def retention_seconds() -> int:
    """How long compose.yaml lets Prometheus keep its data."""
    days = re.search(r"--storage\.tsdb\.retention\.time=(\d+)d$", (ROOT / "compose.yaml").read_text(), re.M)
    assert days
    return int(days[1]) * 86_400


def named_tests() -> list[tuple[str, str]]:
    return [
        (tests, name) for tests in TESTS for name in re.findall(r"^  - name: (.+)$", (ROOT / tests).read_text(), re.M)
    ]


def parsed_rules(server: Server) -> list[tuple[str, Any]]:
    """The name and the expression of every rule."""
    return [(rule["name"], server.parse(rule["query"])) for rule in server.alerts() + server.recordings()]


def asked_by_rules(server: Server) -> list[Selector]:
    return [selector for _, expression in parsed_rules(server) for selector in selectors(expression)]


def is_operation(text: str) -> bool:
    """Whether the end of a recorded name says what was done over which window: `p95_rate1m`."""
    return text in STATES or re.fullmatch(rf"({'|'.join(OPERATIONS)})\d+[smhd]", text) is not None


def alerts_named(name: str, server: Server) -> list[dict[str, Any]]:
    """The rules of an alert: one that is urgent in some cases only has two."""
    return [rule for rule in server.alerts() if rule["name"] == name]


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
    for rule in alerts_named(alert, server):
        texts = rule["annotations"]
        # The inbox reads the age of the watchdog's news.
        assert set(texts) == ANNOTATIONS | ({"evaluated_at"} if alert == "Watchdog" else set())
        assert rule["labels"]["severity"] in SEVERITIES
        for name, text in texts.items():
            assert text.strip(), name
            if not name.endswith(("_url", "_at")):
                assert bool(re.search("[\u4e00-\u9fff]", text)) == name.endswith("_zh"), name


@pytest.mark.parametrize("alert", ALERTS)
def test_links_of_an_alert_lead_to_its_runbook_and_to_a_dashboard(alert: str, server: Server) -> None:
    dashboards = {json.loads(path.read_text())["uid"] for path in (ROOT / "grafana" / "dashboards").glob("*/*.json")}
    for rule in alerts_named(alert, server):
        texts = rule["annotations"]
        assert texts["runbook_url"] == f"{{{{ $externalLabels.inbox_url }}}}/runbooks/{alert}"
        link = re.fullmatch(
            r"\{\{ \$externalLabels\.grafana_url \}\}/d/([\w-]+)(\?.+|\{\{ with .+)?", texts["dashboard_url"]
        )
        assert link, texts["dashboard_url"]
        assert link[1] in dashboards


@pytest.mark.parametrize("alert", ALERTS)
def test_one_bad_scrape_does_not_fire_an_alert(alert: str, server: Server) -> None:
    for rule in alerts_named(alert, server):
        parsed = server.parse(rule["query"])
        looks_back = any(selector.seconds > 0 or ":" in selector.metric for selector in selectors(parsed))
        assert rule["duration"] > 0 or (looks_back and not uses_absent(parsed)), "it needs `for`"


def test_there_are_at_most_30_alerts() -> None:
    assert 0 < len(set(ALERTS)) <= MOST_ALERTS


def test_no_label_of_an_alert_changes_while_it_fires(server: Server) -> None:
    rules = server.alerts() + server.recordings()
    assert [rule["name"] for rule in rules if any(map(changing_part, rule.get("labels", {}).values()))] == []


def test_no_rule_looks_further_back_than_prometheus_keeps(server: Server) -> None:
    kept = retention_seconds()
    assert [name for name, expression in parsed_rules(server) if reach_seconds(expression) > kept] == []


def test_both_sides_of_an_operation_have_the_same_labels(server: Server) -> None:
    known = label_names_of(server)
    found = {name: faults for name, parsed in parsed_rules(server) if (faults := matching_faults(parsed, known))}
    assert found == {}


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_is_seen_firing_by_a_test_of_its_whole_text(alert: str) -> None:
    shown = "\n".join((ROOT / tests).read_text() for tests in TESTS)
    assert re.search(rf"alertname: {alert}\n( +eval_time: \w+\n)? +exp_alerts:( &\w+)?\n +- exp_labels", shown)


def test_rules_ask_only_for_metrics_and_labels_of_the_contract(server: Server) -> None:
    rules = server.alerts() + server.recordings()
    assert {rule["name"]: found for rule in rules if (found := faults(server, rule["query"]))} == {}


def test_every_range_holds_at_least_4_scrapes(server: Server) -> None:
    asked = asked_by_rules(server)
    short = [selector for selector in asked if 0 < selector.seconds < 4 * SCRAPE_INTERVAL]
    assert asked
    assert short == []
    steps = [each for _, expression in parsed_rules(server) for each in subqueries(expression)]
    assert [each for each in steps if each[0] < 4 * max(each[1], SCRAPE_INTERVAL)] == []


def test_a_rule_that_matches_a_bound_matches_both_ways_to_write_it(server: Server) -> None:
    bounds = {matcher[1:] for selector in asked_by_rules(server) for matcher in selector.matchers if matcher[0] == "le"}
    assert bounds == {("=~", r"2(\.0)?")}


def test_recorded_names_are_level_metric_operation(server: Server) -> None:
    static = {label for rule in server.recordings() for label in rule.get("labels", {})}
    for name, labels in recorded_series(server).items():
        level, metric, operation = name.split(":")
        assert level in {"_".join(order) for order in permutations(set(labels) - static)}, name
        assert metric.startswith("gte_"), name
        assert is_operation(operation), name


class TestChecks:
    """The checks above can fail."""

    @pytest.mark.parametrize(
        ("expression", "fault"),
        [
            ("gte_task_requests_total / up", "without on or ignoring"),
            ("sum by (job) (up) / sum by (instance) (up)", "without on or ignoring"),
            ("sum by (job) (up) or vector(0)", "without on or ignoring"),
            ("rate(gte_task_latency_seconds_bucket[1m]) / ignoring (job) rate(gte_task_requests_total[1m])", "without"),
            ("node_load1 / up", "without on or ignoring"),
            ("up and on (task_type) up", "no such label"),
            (
                'gte_task_requests_total{status="error"} / gte_task_requests_total{status="success"}',
                "status is 'error'",
            ),
            ('absent(up{job="x"}) and up', "without on or ignoring"),
        ],
    )
    def test_sides_that_do_not_match_are_noticed(self, expression: str, fault: str, server: Server) -> None:
        (found, *_) = matching_faults(server.parse(expression), label_names_of(server))
        assert fault in found

    @pytest.mark.parametrize(
        "expression",
        [
            "sum by (job) (up) / count by (job) (up)",
            "sum by (job, task_type) (rate(gte_task_requests_total[1m])) > on (job) group_left () max by (job) (up)",
            "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.1",
            "histogram_quantile(0.9, sum by (job, le) (rate(gte_task_latency_seconds_bucket[1m]))) > sum by (job) (up)",
            'up{job="a"} == 0 and on () up{job="b"} == 1',
            "sum by (job) (up) or on () vector(0)",
            "2 * up > up",
            'absent(up{job="x"}) unless sum by (job) (up)',
            'label_replace(up, "task_type", "a", "", "") * on (task_type) max by (task_type) (gte_active_requests)',
        ],
    )
    def test_sides_that_match_are_no_fault(self, expression: str, server: Server) -> None:
        assert matching_faults(server.parse(expression), label_names_of(server)) == []

    @pytest.mark.parametrize(
        ("expression", "seconds"),
        [("up", 0), ("rate(up[5m])", 300), ("up offset 1d", 86_400), ("max_over_time(up[1m] offset 1h)", 3_660)],
    )
    def test_how_far_an_expression_looks_back(self, expression: str, seconds: int, server: Server) -> None:
        assert reach_seconds(server.parse(expression)) == seconds

    def test_operations_of_recorded_names(self) -> None:
        right = (
            "rate1m", "p95_rate5m", "ratio_rate30s", "increase5m", "p95_median1d", "p95_p90_1d", "last7d", "seen",
            "ratio_latest",
        )  # fmt: skip
        wrong = ("rate", "rate_1m", "ratio", "p95", "p95rate1m", "increase5", "latest", "latest5m", "1m")
        assert [text for text in right + wrong if is_operation(text)] == list(right)

    def test_subqueries_add_up(self, server: Server) -> None:
        expression = "max_over_time(rate(up[5m] offset 2h)[7d:5m] offset 1d) or up offset 1w"
        assert reach_seconds(server.parse(expression)) == 8 * 86_400 + 2 * 3600 + 300

    def test_the_retention_is_read(self) -> None:
        assert retention_seconds() >= 86_400

    @pytest.mark.parametrize("text", ["{{ $value }}", "{{ $labels.job | toUpper }}", '{{ query "up" }}', "x{{$value}}"])
    def test_a_label_that_changes_is_noticed(self, text: str) -> None:
        assert changing_part(text)
        assert not changing_part("{{ $labels.job }}-b")

    def test_absent_is_noticed_inside_an_expression(self, server: Server) -> None:
        assert uses_absent(server.parse("up == 0 or on () (absent(up) > 0)"))
        assert not uses_absent(server.parse("up == 0"))
