"""Measures one evaluation of all rules with 8 tasks, 4 replicas and 7 days of data: `make rule-cost`.

No test of the normal run: it writes millions of samples. A real Prometheus evaluates the rules on blocks that hold,
for each metric that a rule asks for, as much of the past as the rules look at, a sample every 5 s (of a recorded
series: every interval of its group), and 15 minutes of the future, so that the data is fresh while it is measured.
Metrics that no rule asks for are not written: they cost a scrape something, and an evaluation nothing.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tests.config.containers import docker, image_of, needs_engine, unique, wait_for
from tests.config.metrics import CONTRACT_SERIES, label_names_of, recorded_series
from tests.config.promtool import FOLDER
from tests.config.server import Server
from tests.config.vectors import reaches
from tools.metric_contract import CONTRACT

MOST_SECONDS = 0.2
REPLICAS = 4
SCRAPE_SECONDS = 5
# An instant selector looks back this long.
LOOKBACK_SECONDS = 300
FUTURE_SECONDS = 900
EVALUATIONS = 12

# The blocks end in the future, so Prometheus refuses what the rules record now. To add it would cost microseconds.
_REFUSED = {"", "out of order sample", "out of bounds"}
_KINDS = {metric.name: metric.kind for metric in CONTRACT}
_CONFIGURATION = """\
global: {evaluation_interval: 5s, external_labels: {inbox_url: "http://inbox", grafana_url: "http://grafana"}}
rule_files: [/cost/rules/*.yml]
"""


@dataclass(frozen=True)
class Need:
    """What the rules need of a metric.

    Attributes:
        seconds: how far back they look.
        step: seconds from one sample to the next.
    """

    seconds: float
    step: float


@needs_engine
def test_one_evaluation_of_all_rules(server: Server, tmp_path: Path) -> None:
    groups = server.get("rules")["groups"]
    needs = dict(needed(server, groups))
    folder = tmp_path / "data"
    folder.mkdir()
    for path in (tmp_path.parent, tmp_path, folder):
        path.chmod(0o777)
    samples = write_samples(server, needs, tmp_path / "samples.txt")
    make_blocks(tmp_path)
    (tmp_path / "rules").mkdir(mode=0o755)
    for path in (FOLDER / "rules").glob("*.yml"):
        # Each group as often as the quickest, so that its cost is the median of several evaluations.
        (tmp_path / "rules" / path.name).write_text(re.sub(r"(?m)^    interval: .+\n", "", path.read_text("utf-8")))
    (tmp_path / "prometheus.yml").write_text(_CONFIGURATION)
    for path in (tmp_path / "prometheus.yml", *(tmp_path / "rules").iterdir()):
        path.chmod(0o644)
    times, added = measured(tmp_path)
    print(f"\n{samples} samples of {len(needs)} metrics; {EVALUATIONS} evaluations; ms: median, slowest")
    total = 0.0
    for group, durations in sorted(times.items()):
        if not group[1]:
            total += statistics.median(durations)
            print(f"{group[0]:<32}{statistics.median(durations) * 1000:9.1f}{max(durations) * 1000:9.1f}")
    print(f"{'all rules':<32}{total * 1000:9.1f}")
    slowest = sorted((name for name in times if name[1]), key=lambda name: -statistics.median(times[name]))[:8]
    for name in slowest:
        print(f"  {' '.join(name):<78}{statistics.median(times[name]) * 1000:9.1f}")
    print(f"series recorded: {added}")
    assert total <= MOST_SECONDS


def needed(server: Server, groups: list[dict[str, Any]]) -> Iterator[tuple[str, Need]]:
    """Each metric that the rules ask for, and what they need of it."""
    steps = {
        rule["name"]: group["interval"] for group in groups for rule in group["rules"] if rule["type"] == "recording"
    }
    found: dict[str, float] = {}
    for group in groups:
        for rule in group["rules"]:
            for metric, seconds in reaches(server.parse(rule["query"]), LOOKBACK_SECONDS):
                found[metric] = max(found.get(metric, 0), seconds)
    for metric, seconds in found.items():
        yield metric, Need(seconds, steps.get(metric, SCRAPE_SECONDS))


def write_samples(server: Server, needs: dict[str, Need], path: Path) -> int:
    """Write the samples in the OpenMetrics format; returns how many they are."""
    count = 0
    now = int(time.time()) // 60 * 60
    known = CONTRACT_SERIES | recorded_series(server)
    names = label_names_of(server)
    with path.open("w") as file:
        for metric, need in needs.items():
            begin = now - int(need.seconds) // 60 * 60 - 60
            moments = range(begin, now + FUTURE_SECONDS, max(1, int(need.step)))
            value_of = values(metric)
            for number, labels in enumerate(series(metric, known.get(metric), names(metric))):
                name = f"{metric}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"
                file.writelines(f"{name} {value_of(number, at - begin)} {at}\n" for at in moments)
                count += len(moments)
        file.write("# EOF\n")
    path.chmod(0o644)
    return count


def series(metric: str, labels: Any, names: frozenset[str] | None) -> Iterator[dict[str, str]]:
    """The labels of each series of a metric: every combination of values, on every replica."""
    if labels is None:
        # Of another program: three filesystems, targets or handlers, whatever it is.
        jobs = ["gte-service"] * REPLICAS + ["prometheus", "alertmanager", "node-exporter", "alert-inbox", "grafana"]
        for number, job in enumerate(jobs if metric == "up" else ["node-exporter"] * 3):
            yield {"job": job, "instance": f"{job}-{number}"} | ({} if metric == "up" else {"device": str(number)})
        return
    choices: dict[str, list[str]] = {}
    for name in sorted(names or labels):
        given = sorted({value for label in labels[name] for value in label.values})
        choices[name] = given or ["x"]
    if "job" in choices:
        choices["job"] = ["gte-service"]
    if "instance" in choices:
        choices["instance"] = [f"gte-service-{number + 1}" for number in range(REPLICAS)]
    if "task_type" in choices:
        choices["task_type"] = [name for name in choices["task_type"] if name != "unknown"] or ["x"]
    for combination in product(*choices.values()):
        yield dict(zip(choices, combination, strict=True))


def values(metric: str) -> Callable[[int, int], float]:
    """The value of series `number` of a metric so many seconds after its begin: counters rise, all else wavers."""
    base = metric.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
    if metric.endswith("_total") or _KINDS.get(base) in ("counter", "histogram"):
        return lambda number, seconds: seconds // 5 * (number % 7 + 1)
    if metric == "up":
        return lambda number, seconds: 1
    return lambda number, seconds: round(0.001 * (number % 7 + 1) * (1 + seconds // 60 % 60 / 600), 6)


def make_blocks(folder: Path) -> None:
    """Turn samples.txt of a folder into blocks in its `data`."""
    docker(
        "run", "--rm", "--network=none", "--user=65534:65534", f"--volume={folder}:/cost", "--entrypoint=promtool",
        image_of("prometheus"), "tsdb", "create-blocks-from", "--max-block-duration=162h", "openmetrics",
        "/cost/samples.txt", "/cost/data", seconds=1800,
    )  # fmt: skip


def measured(folder: Path) -> tuple[dict[tuple[str, str], list[float]], int]:
    """Let Prometheus evaluate the rules on the blocks.

    Returns:
        the seconds of each evaluation, by group and rule; the rule is "" for the whole group. And the number of
        series that the rules record.
    """
    name = unique("cost")
    docker(
        "run", "--detach", "--rm", f"--name={name}", "--network=none", f"--volume={folder}:/cost",
        "--user=65534:65534", image_of("prometheus"),
        "--config.file=/cost/prometheus.yml", "--storage.tsdb.path=/cost/data", "--storage.tsdb.retention.time=30d",
    )  # fmt: skip
    times: dict[tuple[str, str], list[float]] = {}
    seen: set[tuple[str, str]] = set()
    try:
        server = Server(name)

        def enough() -> bool:
            for group in server.get("rules")["groups"]:
                if group["evaluationTime"] == 0 or (group["name"], group["lastEvaluation"]) in seen:
                    continue
                seen.add((group["name"], group["lastEvaluation"]))
                times.setdefault((group["name"], ""), []).append(group["evaluationTime"])
                for rule in group["rules"]:
                    assert rule.get("lastError", "") in _REFUSED, f"{rule['name']}: {rule['lastError']}"
                    times.setdefault((group["name"], rule["name"]), []).append(rule["evaluationTime"])
            return bool(times) and min(map(len, times.values())) >= EVALUATIONS

        wait_for("the rules are evaluated several times", enough, seconds=600)
        recorded = {rule["name"] for rule in server.recordings()}
        found = [server.get("query", query=f"count({{__name__={json.dumps(each)}}})") for each in recorded]
        return times, sum(int(each["result"][0]["value"][1]) for each in found if each["result"])
    finally:
        docker("rm", "--force", name)
