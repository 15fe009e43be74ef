"""Measures every query of the dashboards over 24 hours, with 8 tasks and 4 replicas: part of `make rule-cost`.

The data is written as for the rules: each metric that a panel asks for, a sample every 5 s (of a recorded series: every
interval of its group). The time is Prometheus' own, of its evaluation.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana.boards.generate import boards
from tests.config.containers import docker, image_of, needs_engine, unique, wait_for
from tests.config.rule_cost import LOOKBACK_SECONDS, SCRAPE_SECONDS, Need, make_blocks, write_samples
from tests.config.server import Server
from tests.config.vectors import reaches

MOST_SECONDS = 0.2
RANGE_SECONDS = 86_400
PIXELS_A_COLUMN = 75
REPEATS = 3


@dataclass(frozen=True)
class Asked:
    """A query as a panel asks it over a day.

    Attributes:
        panel: where it stands.
        expr: PromQL, filled in.
        step: seconds from one point to the next; 0 where only the present is asked.
    """

    panel: str
    expr: str
    step: int


@needs_engine
def test_every_query_of_the_dashboards(server: Server, tmp_path: Path) -> None:
    asked = list(queries())
    needs = dict(_needed(server, asked))
    folder = tmp_path / "data"
    folder.mkdir()
    for path in (tmp_path.parent, tmp_path, folder):
        path.chmod(0o777)
    samples = write_samples(server, needs, tmp_path / "samples.txt")
    make_blocks(tmp_path)
    times = _measured(tmp_path, asked)
    print(f"\n{samples} samples of {len(needs)} metrics; ms, median of {REPEATS}")
    for query in sorted(times, key=lambda each: -times[each]):
        print(f"{times[query] * 1000:8.1f}  {query.panel:<60}{' '.join(query.expr.split())[:100]}")
    assert {query.panel: seconds for query, seconds in times.items() if seconds > MOST_SECONDS} == {}


def queries() -> Iterator[Asked]:
    """Every query of the English dashboards; the Chinese ones ask the same."""
    for board in boards("en").values():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                points = panel.get("maxDataPoints") or panel["gridPos"]["w"] * PIXELS_A_COLUMN
                shortest = {"1m": 60, "5m": 300, "1d": 86_400}.get(panel.get("interval", ""), SCRAPE_SECONDS)
                step = max(shortest, RANGE_SECONDS // points)
                expr = _filled_in(target["expr"], step)
                yield Asked(f"{board['title']}: {panel['title']}", expr, 0 if target["instant"] else step)


def _filled_in(expr: str, step: int) -> str:
    """As Grafana fills it in, with all that can be chosen, and two revisions that exist in the data."""
    rate = max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)
    values = {
        "__rate_interval": f"{rate}s", "__interval": f"{step or SCRAPE_SECONDS}s", "__range": f"{RANGE_SECONDS}s",
        "job": ".*", "instance": ".*", "task_type": ".*", "before": "x", "after": "x",
    }  # fmt: skip
    return re.sub(r"\$([a-z_]+)", lambda name: values[name[1]], expr)


def _needed(server: Server, asked: list[Asked]) -> Iterator[tuple[str, Need]]:
    """Each metric that the panels ask for, and how far back."""
    groups = server.get("rules")["groups"]
    steps = {
        rule["name"]: group["interval"] for group in groups for rule in group["rules"] if rule["type"] == "recording"
    }
    found: dict[str, float] = {}
    for query in asked:
        before = LOOKBACK_SECONDS + (RANGE_SECONDS if query.step else 0)
        for metric, seconds in reaches(server.parse(query.expr), before):
            found[metric] = max(found.get(metric, 0), seconds)
    for metric, seconds in found.items():
        # A day of data, as much as is shown: what looks further back finds no more.
        yield metric, Need(min(seconds, RANGE_SECONDS + 3600), steps.get(metric, SCRAPE_SECONDS))


def _measured(folder: Path, asked: list[Asked]) -> dict[Asked, float]:
    """The seconds of each query."""
    name = unique("cost")
    (folder / "prometheus.yml").write_text("{}")
    (folder / "prometheus.yml").chmod(0o644)
    docker(
        "run", "--detach", "--rm", f"--name={name}", "--network=none", f"--volume={folder}:/cost",
        "--user=65534:65534", image_of("prometheus"),
        "--config.file=/cost/prometheus.yml", "--storage.tsdb.path=/cost/data", "--storage.tsdb.retention.time=30d",
    )  # fmt: skip
    try:
        server = Server(name)
        wait_for("Prometheus answers", lambda: server.get("status/buildinfo"), seconds=120)
        now = int(time.time()) // 60 * 60
        return {query: statistics.median(_seconds(server, query, now) for _ in range(REPEATS)) for query in asked}
    finally:
        docker("rm", "--force", name)


def _seconds(server: Server, query: Asked, now: int) -> float:
    if query.step:
        times: dict[str, Any] = {"start": str(now - RANGE_SECONDS), "end": str(now), "step": str(query.step)}
        answer = server.get("query_range", query=query.expr, stats="all", **times)
    else:
        answer = server.get("query", query=query.expr, time=str(now), stats="all")
    return float(answer["stats"]["timings"]["execTotalTime"])
