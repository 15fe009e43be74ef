"""What `make mutate-rules` changes, which tests it runs, and when it is content."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.containers import ROOT, needs_engine
from tests.config.promtool import RULES
from tests.config.server import Server, nodes
from tools import cli
from tools.mutate_rules import __main__ as command
from tools.mutate_rules.accepted import read_accepted
from tools.mutate_rules.concern import Concern
from tools.mutate_rules.mutants import Mutant, milliseconds, mutants
from tools.mutate_rules.promql import metrics
from tools.mutate_rules.rule_file import Rule, read_rules
from tools.mutate_rules.trial import CAUGHT, SURVIVED, UNTESTED, Result

FILE = """\
groups:
  - name: tasks
    rules:
      # A comment with expr: 5
      - record: job:requests:rate1m
        expr: |
          sum by (job, task) (rate(requests_total{status!="5m > 1"}[1m]))  # not > 3
            > 0

      - alert: Slow
        expr: max_over_time((job:requests:rate1m offset 1d)[1h:5m]) >= 0.95 unless on (job) up == 1
        for: 1m
        keep_firing_for: 2m
        labels:
          severity: critical
        annotations:
          summary: "for: 5m > 3"
"""


def changed(content: str, title: str, folder: Path) -> dict[str, str]:
    """The changed lines of each mutant of a rule, by the change in words."""
    path = folder / "rules.yml"
    path.write_text(content)
    (rule,) = [rule for rule in read_rules(path) if rule.title == title]
    before = content.splitlines()
    return {
        mutant.change: next(
            new.strip() for old, new in zip(before, mutant.applied(content).splitlines(), strict=True) if old != new
        )
        for mutant in mutants(rule)
    }


def test_a_recorded_series_is_changed_in_every_place_but_strings_and_comments(tmp_path: Path) -> None:
    end = "  # not > 3"
    assert list(changed(FILE, "job:requests:rate1m", tmp_path).values()) == [
        f'max by (job, task) (rate(requests_total{{status!="5m > 1"}}[1m])){end}',
        f'sum by (task) (rate(requests_total{{status!="5m > 1"}}[1m])){end}',
        f'sum by (job) (rate(requests_total{{status!="5m > 1"}}[1m])){end}',
        f'sum by (instance, job, task) (rate(requests_total{{status!="5m > 1"}}[1m])){end}',
        f'sum by (job, task) (increase(requests_total{{status!="5m > 1"}}[1m])){end}',
        f'sum by (job, task) (delta(requests_total{{status!="5m > 1"}}[1m])){end}',
        f'sum by (job, task) (rate(requests_total{{status="5m > 1"}}[1m])){end}',
        f"sum by (job, task) (rate(requests_total{{}}[1m])){end}",
        f'sum by (job, task) (rate(requests_total{{status!="5m > 1"}}[2m])){end}',
        f'sum by (job, task) (rate(requests_total{{status!="5m > 1"}}[30s])){end}',
        ">= 0",
        "< 0",
        "> 1",
    ]


def test_an_alert_is_changed_in_expression_waits_and_severity(tmp_path: Path) -> None:
    expression = "expr: max_over_time((job:requests:rate1m offset 1d)[1h:5m]) >= 0.95 unless on (job) up == 1"
    edits = [
        ("max_over_time", "min_over_time"), ("max_over_time", "last_over_time"), ("1d", "2d"), ("1d", "12h"),
        ("1h", "2h"), ("1h", "30m"), ("5m", "10m"), ("5m", "2m30s"), (">=", ">"), (">=", "<"), ("0.95", "0.975"),
        ("0.95", "0.76"), ("unless", "and"), ("unless", "or"), ("on (job)", "on ()"), ("(job)", "(instance, job)"),
        ("==", "!="), ("== 1", "== 2"), ("== 1", "== 0"),
    ]  # fmt: skip
    assert list(changed(FILE, "Slow", tmp_path).values()) == [
        *(expression.replace(*edit) for edit in edits),
        "for: 1m15s", "for: 50s", "keep_firing_for: 2m30s", "keep_firing_for: 1m35s", "severity: warning",
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["critical # get up", '"critical"', "'critical'  # get up"])
def test_quotes_and_comments_around_a_value_stay(written: str, tmp_path: Path) -> None:
    found = changed(FILE.replace("severity: critical", f"severity: {written}"), "Slow", tmp_path)
    assert found["severity critical → warning"] == f"severity: {written.replace('critical', 'warning')}"


def test_equal_changes_of_a_rule_are_told_apart(tmp_path: Path) -> None:
    content = FILE.replace("up == 1", "up == 1 or up == 1 or up == 1 or up == 1 or up == 1 or up == 1 or up == 1")
    found = changed(content, "Slow", tmp_path)
    assert sum(change.endswith(" (2)") for change in found) > 1
    assert len(set(found.values())) == len(found)


def test_rules_of_one_name_have_titles_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(FILE + FILE.partition("rules:\n")[2])
    assert [rule.title for rule in read_rules(path)] == [
        "job:requests:rate1m", "Slow", "job:requests:rate1m#2", "Slow#2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "replacement"),
    [
        ("        labels:\n          severity: critical", "        labels: {severity: critical}"),
        ("for: 1m", "for: [1m]"),
        ("max_over_time((", "nobody_knows_it(("),
        ("max_over_time((", "max_over_time(§"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, replacement: str, tmp_path: Path) -> None:
    assert text in FILE
    with pytest.raises(cli.ToolError):
        changed(FILE.replace(text, replacement), "Slow", tmp_path)


@needs_engine
def test_the_rules_are_read_as_prometheus_reads_them(server: Server) -> None:
    read = [rule for file in RULES for rule in read_rules(ROOT / file)]
    loaded = {
        (rule["name"], str(server.parse(rule["query"]))): (
            rule.get("duration", 0) * 1000, rule.get("keepFiringFor", 0) * 1000, rule.get("labels", {}),
        )
        for rule in server.alerts() + server.recordings()
    }  # fmt: skip
    assert loaded
    assert loaded == {
        (rule.name, str(server.parse(rule.values["expr"].text))): (
            seconds(rule, "for"), seconds(rule, "keep_firing_for"),
            {name: part.text for name, part in rule.labels.items()},
        )
        for rule in read
    }  # fmt: skip
    for rule in read:
        parsed = server.parse(rule.values["expr"].text)
        assert metrics(rule.values["expr"].text) == {
            node["name"] for node in nodes(parsed) if node["type"] in ("vectorSelector", "matrixSelector")
        }


def test_a_change_concerns_the_tests_of_everything_that_reads_the_series(tmp_path: Path) -> None:
    chain = FILE + (
        "      - record: job:requests:mean_1h\n        expr: avg_over_time(job:requests:rate1m[1h])\n"
        "      - alert: Odd\n        expr: job:requests:mean_1h > 1\n"
    )
    (tmp_path / "rules.yml").write_text(chain)
    rules = read_rules(tmp_path / "rules.yml")
    loads = "rule_files: [../../../prometheus/rules/rules.yml]\n"
    tests = {
        "Other.yml": loads, "Slow-week.yml": loads, "Slow.yml": loads, "tasks.yml": loads,
        "several.yml": loads + "alertname: Odd",
        "elsewhere.yml": "rule_files: [../rules/other.yml]\nalertname: Odd",
        "figures.yml": loads + "expr: job:requests:rate1m{}",
    }  # fmt: skip
    concern = Concern(rules, tests)
    assert {rule.name: concern.files(rule) for rule in rules} == {
        "job:requests:rate1m": ["tasks.yml", "figures.yml", "Slow.yml", "Slow-week.yml", "several.yml"],
        "Slow": ["Slow.yml", "Slow-week.yml"],
        "job:requests:mean_1h": ["tasks.yml", "several.yml"],
        "Odd": ["several.yml"],
    }


def result(verdict: str, change: str = "number") -> Result:
    rule = Rule("Slow", alert=True, group="tasks", file="rules.yml", line=1)
    return Result(Mutant(rule, change, 0, 0, ""), verdict, "", 1.0)


def verdict(results: list[Result], accepted: dict[tuple[str, str], str], stale: list[tuple[str, str]]) -> int:
    return command.status(command.Report(results, accepted, stale, total=len(results), seconds=1.0))


def test_an_accepted_survivor_is_no_fault_and_any_other_is_one() -> None:
    results = [result(CAUGHT)] * 19 + [result(SURVIVED, "odd")]
    assert verdict(results, {("Slow", "odd"): "equivalent"}, []) == cli.OK
    assert verdict(results, {("Slow", "else"): "equivalent"}, []) == cli.FAILED
    assert verdict([result(CAUGHT)] * 19 + [result(UNTESTED)], {}, []) == cli.FAILED


def test_too_few_caught_and_a_stale_entry_are_faults() -> None:
    accepted = {("Slow", "odd"): "equivalent"}
    assert verdict([result(CAUGHT)] * 18 + [result(SURVIVED, "odd")], accepted, []) == cli.FAILED
    assert verdict([result(CAUGHT)] * 20, accepted, [("Slow", "odd")]) == cli.FAILED


def test_a_sample_may_hold_any_share_of_accepted_survivors_but_must_hold_something() -> None:
    survivor = result(SURVIVED, "odd")
    sample = command.Report([survivor], {("Slow", "odd"): "equivalent"}, [], total=20, seconds=1.0)
    assert command.status(sample) == cli.OK
    with pytest.raises(cli.ToolError, match="no mutant was tried"):
        command.judge([], [], {}, 1.0)


def test_every_accepted_survivor_has_a_reason(tmp_path: Path) -> None:
    assert all(read_accepted().values())
    path = tmp_path / "accepted.toml"
    path.write_text('[[accepted]]\nrule = "Slow"\nreason = " "\nchanges = ["number"]\n')
    with pytest.raises(cli.ToolError, match="reason"):
        read_accepted(path)


def seconds(rule: Rule, key: str) -> int:
    return milliseconds(rule.values[key].text) if key in rule.values else 0
