"""The rule tests can fail: each change below makes a rule wrong, and some test must notice it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.config.containers import ROOT, needs_engine
from tests.config.promtool import verdicts

pytestmark = needs_engine

UNBROKEN = "nothing broken"
RULES_OF = {"gte-latency": "gte-tasks", "gte-errors": "gte-tasks"}
# A change to the rules that must make a test fail: the file of tests, a text in the rules, and what takes its place.
BREAKAGES = {
    "latency threshold raised": ("gte-latency", "p95_rate1m > 2", "p95_rate1m > 5"),
    "latency threshold lowered": ("gte-latency", "p95_rate1m > 2", "p95_rate1m > 1.9"),
    "latency waits too short": ("gte-latency", "for: 2m", "for: 45s"),
    "latency waits too long": ("gte-latency", "for: 2m", "for: 150s"),
    "latency over all tasks": ("gte-latency", "sum by (task_type, le)", "sum by (le)"),
    "latency by replica": ("gte-latency", "sum by (task_type, le)", "sum by (task_type, instance, le)"),
    "latency of the mean replica": ("gte-latency", "sum by (task_type, le)", "max by (task_type, le)"),
    "latency without rate": (
        "gte-latency",
        "rate(gte_task_latency_seconds_bucket[1m])",
        "gte_task_latency_seconds_bucket",
    ),
    "latency window of one scrape": (
        "gte-latency",
        "gte_task_latency_seconds_bucket[1m]",
        "gte_task_latency_seconds_bucket[5s]",
    ),
    "latency window of two scrapes": (
        "gte-latency",
        "gte_task_latency_seconds_bucket[1m]",
        "gte_task_latency_seconds_bucket[10s]",
    ),
    "latency as delta": (
        "gte-latency",
        "rate(gte_task_latency_seconds_bucket",
        "delta(gte_task_latency_seconds_bucket",
    ),
    "latency NaN kept": ("gte-errors", ") >= 0", ")"),
    "median instead of P95": ("gte-latency", "histogram_quantile(0.95", "histogram_quantile(0.50"),
    "P99 instead of P95": ("gte-latency", "histogram_quantile(0.95", "histogram_quantile(0.99"),
    "errors threshold raised": ("gte-errors", "> 0.01", "> 0.05"),
    "errors threshold lowered": ("gte-errors", "> 0.01", "> 0.001"),
    "errors wait too short": ("gte-errors", "for: 1m", "for: 30s"),
    "errors wait too long": ("gte-errors", "for: 1m", "for: 90s"),
    "errors divided series by series": ("gte-errors", "sum by (task_type) (rate(", "sum by (task_type, status) (rate("),
    "errors without fallback": ("gte-errors", "              or\n", "              and\n"),
    "errors of the last minute only": (
        "gte-errors",
        "ratio_rate30s\n              or",
        "ratio_rate1m\n              or",
    ),
    "errors counted with invalid": ("gte-errors", '{status="error"}', '{status=~"error|invalid"}'),
    "errors among all requests": ("gte-errors", '{status!="invalid"}', ""),
    "errors NaN kept": ("gte-errors", " > 0)", ")"),
    "errors of all tasks": ("gte-errors", "sum by (task_type) (task_type_status", "sum (task_type_status"),
    "errors as a difference": ("gte-errors", "rate(gte_task_requests_total", "delta(gte_task_requests_total"),
    "down by up == 0": ("gte-service", 'absent(up{job="gte-service"} == 1)', 'up{job="gte-service"} == 0'),
    "down by absence of up": ("gte-service", 'absent(up{job="gte-service"} == 1)', 'absent(up{job="gte-service"})'),
    "down at once": ("gte-service", "for: 30s", "for: 0s"),
    "down waits too long": ("gte-service", "for: 30s", "for: 1m"),
    "not answering by the plain series": ("gte-service", "max_over_time(gte_server_up[1m])", "gte_server_up"),
    "not answering at once": ("gte-service", "max_over_time(gte_server_up[1m])", "min_over_time(gte_server_up[1m])"),
    "not ready by the plain series": ("gte-service", "max_over_time(gte_model_ready[1m])", "gte_model_ready"),
    "not ready too early": ("gte-service", "for: 5m", "for: 3m"),
    "not ready without progress": ("gte-service", "with printf", "with false | printf"),
    "target down by absence": ("stack", 'up{job!="gte-service"} == 0', 'absent(up{job!="gte-service"})'),
    "target down without replicas": ("stack", '(up{job="gte-service"} == 0 and', '(up{job="gte-service"} == 2 and'),
    "target down beside service down": ("stack", ' and on (job) up{job="gte-service"} == 1', ""),
    "target down too early": ("stack", "for: 1m", "for: 40s"),
    "memory threshold raised": ("stack", "< 0.10", "< 0.20"),
    "memory threshold lowered": ("stack", "< 0.10", "< 0.05"),
    "memory by the plain series": (
        "stack",
        "avg_over_time(node_memory_MemAvailable_bytes[1m])",
        "node_memory_MemAvailable_bytes",
    ),
    "memory too early": ("stack", "for: 15m", "for: 9m"),
    "disk threshold raised": ("stack", "< 0.05", "< 0.10"),
    "disk threshold lowered": ("stack", "< 0.05", "< 0.01"),
    "disk by the plain series": (
        "stack",
        "avg_over_time(node_filesystem_avail_bytes[1m])",
        "node_filesystem_avail_bytes",
    ),
    "disk of read-only filesystems": ("stack", "unless\n", "and\n"),
    "disk too early": ("stack", "for: 5m", "for: 3m"),
}


@pytest.fixture(scope="module")
def noticed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    variants = tmp_path_factory.mktemp("variants")
    make_variant(variants / UNBROKEN, "*")
    for breakage, (tests, text, replacement) in BREAKAGES.items():
        make_variant(variants / breakage, tests)
        rules = variants / breakage / "prometheus" / "rules" / f"{RULES_OF.get(tests, tests)}.yml"
        before = rules.read_text()
        assert text in before, f"{breakage}: the rules have changed, bring the breakage up to date"
        rules.write_text(before.replace(text, replacement))
    readable_for_everyone(variants)
    return verdicts(variants)


def make_variant(folder: Path, tests: str) -> None:
    for kind, pattern in (("prometheus/rules", "*.yml"), ("tests/config/rules", f"{tests}.yml")):
        (folder / kind).mkdir(parents=True)
        for path in (ROOT / kind).glob(pattern):
            shutil.copy(path, folder / kind)


def readable_for_everyone(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_rule_is_noticed(breakage: str, noticed: dict[str, str]) -> None:
    assert noticed[breakage] == "failed"


def test_unbroken_rules_pass_the_same_way(noticed: dict[str, str]) -> None:
    assert noticed[UNBROKEN] == "passed"
