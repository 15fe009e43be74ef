"""What the dashboards say of written scenarios: the words, units and colours of their stats and tables.

A real Prometheus holds the figures, and the viewer's check, which uses Grafana's own library, shows them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.containers import IMAGE_TAG, ROOT, DockerError, docker, image_of, needs_engine, unique, wait_for
from tests.config.rule_cost import make_blocks
from tests.config.server import Server

TOOLS = f"gte-observability/dashboard-tools:{IMAGE_TAG}"
BLUE, YELLOW, RED, ORANGE, GREY = "#5794F2", "#FADE2A", "#F2495C", "#FF9830", "#808080"
"""Grafana's own, on its dark theme."""

MINUTE, HOUR, DAY = 60, 3600, 86_400
# How long before the present each scenario is. Each lasts ten minutes.
LOADED, DEAD, HALF, IDLE = 0, 6 * HOUR, 8 * HOUR, 10 * HOUR


class Growing(float):
    """A counter that grows by so much a second."""


Samples = dict[str, float]
Shown = dict[tuple[str, str], list[str]]

P95 = "job_task_type:gte_task_latency_seconds:p95"
REQUESTS = "job_task_type:gte_task_requests:increase5m"
RATE = "job_task_type_status:gte_task_requests:rate1m"
FAILING = "job_task_type:gte_task_failures_per_requests:ratio_latest"

# P95 now, an hour ago, a day ago; requests in 5 minutes; share of failures.
TASKS = {
    "qa": (1.92, 0.938, 0.937, 247, 0.0),
    "ner": (1.85, 1.90, 0.962, 30, 0.0),
    "similarity": (0.477, 0.475, 0.470, 299, 0.0238),
    "embedding": (0.357, 0.339, 0.331, 593, 0.0),
}


def task(name: str) -> str:
    return f'job="gte-service",task_type="{name}"'


def replicas(figure: str, *values: float) -> Samples:
    return {
        f'{figure}{{job="gte-service",instance="gte-service-{number}"}}': value
        for number, value in enumerate(values, 1)
    }


def loaded() -> dict[int, Samples]:
    """Two replicas under load, of which a task became slow and another fails; what was before, by seconds ago."""
    now: Samples = {
        **replicas("gte_server_up", 1, 1),
        'gte_model_info{job="gte-service",instance="gte-service-1",model="iic/gte",revision="bbbb2222cccc3333"}': 1,
        'job:gte_room_sure:rate5m{job="gte-service"}': 3.7,
        'job:gte_capacity_use:ratio_rate5m{job="gte-service"}': 0.72,
        'job:gte_use_per_limit:ratio_rate5m{job="gte-service",resource="host_cpus"}': 0.72,
        'job:gte_use_per_limit:ratio_rate5m{job="gte-service",resource="memory_bytes"}': 0.9,
        'ALERTS{alertname="GTE_ErrorRateHigh",alertstate="firing",severity="critical",task_type="similarity"}': 1,
        'ALERTS{alertname="Watchdog",alertstate="firing",severity="none"}': 1,
        'alertmanager_alerts{job="alertmanager",state="suppressed"}': 2,
    }
    hour_ago: Samples = {}
    day_ago: Samples = {}
    for name, (p95, p95_hour, p95_day, requests, share) in TASKS.items():
        now |= {
            f"{P95}_latest{{{task(name)}}}": p95,
            f"{P95}_rate5m{{{task(name)}}}": p95,
            f"{REQUESTS}{{{task(name)}}}": requests,
            f'{RATE}{{{task(name)},status="success"}}': requests / 300,
            f"{FAILING}{{{task(name)}}}": share,
            f'gte_task_requests_total{{{task(name)},status="error"}}': Growing(share * requests / 300),
        }
        hour_ago |= {f"{P95}_rate5m{{{task(name)}}}": p95_hour, f"{REQUESTS}{{{task(name)}}}": requests}
        day_ago |= {f"{P95}_rate5m{{{task(name)}}}": p95_day}
    now[f'{RATE}{{{task("event")},status="success"}}'] = 0
    return {LOADED: now, LOADED + HOUR: hour_ago, LOADED + DAY: day_ago}


SCENARIOS: dict[int, Samples] = {
    **loaded(),
    DEAD: replicas("gte_server_up", 0, 0),
    HALF: replicas("gte_server_up", 1, 0),
    IDLE: {
        **replicas("gte_server_up", 1),
        'gte_model_info{job="gte-service",instance="1",model="builtin:lexical",revision="0123456789abc"}': 1,
        f'{RATE}{{{task("qa")},status="success"}}': 0,
        'gte_queue_depth{job="gte-service",instance="gte-service-1"}': 0,
    },
}


def write(path: Path, now: int) -> None:
    """Write the samples in the OpenMetrics format: of each metric together."""
    lines = [
        (series, now - ago + second, value * (second + 5 * MINUTE) if isinstance(value, Growing) else value)
        for ago, samples in SCENARIOS.items()
        for series, value in samples.items()
        for second in range(-5 * MINUTE, 5 * MINUTE, 15)
    ]
    path.write_text("".join(f"{series} {value} {at}\n" for series, at, value in sorted(lines)) + "# EOF\n")
    path.chmod(0o644)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The name of a Prometheus that holds the scenarios, and the present of them, in seconds since 1970."""
    folder = tmp_path_factory.mktemp("scenario")
    data = folder / "data"
    data.mkdir()
    for path in (folder.parent, folder, data):
        path.chmod(0o777)
    # Blocks begin at whole hours; the last scenario lies whole before the present.
    now = int(time.time()) // MINUTE * MINUTE - 10 * MINUTE
    write(folder / "samples.txt", now)
    make_blocks(folder)
    (folder / "prometheus.yml").write_text("{}")
    (folder / "prometheus.yml").chmod(0o644)
    name = unique("scenario")
    docker(
        "run", "--detach", "--rm", f"--name={name}", "--network=none", f"--volume={folder}:/cost",
        "--user=65534:65534", image_of("prometheus"), "--config.file=/cost/prometheus.yml",
        "--storage.tsdb.path=/cost/data", "--storage.tsdb.retention.time=30d",
    )  # fmt: skip
    try:
        wait_for("Prometheus answers", lambda: Server(name).get("status/buildinfo"), seconds=60)
        yield name, now
    finally:
        docker("rm", "--force", name)


def shown(prometheus: tuple[str, int], ago: int, language: str, *boards: str) -> Shown:
    """The lines of each stat and table, by dashboard and title, of the 15 minutes before a scenario."""
    name, now = prometheus
    moment = 1000 * (now - ago)
    files = " ".join(f"/dashboards/{language}/gte-{board}.json" for board in boards)
    # It also lists what a scenario lacks, as an error.
    script = (
        f"node check.mjs --prometheus http://127.0.0.1:9090 --from {moment - 900_000} --to {moment} {files}"
        " || test $? = 1"
    )
    try:
        said = docker(
            "run", "--rm", f"--network=container:{name}", f"--volume={ROOT}/grafana/dashboards:/dashboards:ro",
            "--entrypoint=sh", TOOLS, "-c", script,
        )  # fmt: skip
    except DockerError as error:
        if "Unable to find image" in str(error):
            pytest.skip("the viewer's tools are not built here")
        raise
    found: Shown = {}
    lines: list[str] = []
    for line in said.splitlines():
        if line.startswith("  "):
            lines.append(line[2:])
        else:
            board, _, panel = line.partition(": ")
            lines = found[board, panel] = []
    return found


@pytest.fixture(scope="module")
def overview(prometheus: tuple[str, int]) -> Shown:
    return shown(prometheus, LOADED, "en", "overview")


@needs_engine
class TestLoaded:
    @pytest.mark.parametrize(
        ("title", "lines"),
        [
            ("Answering", [f"state: all[{BLUE}]", f"answering: 2[{GREY}]"]),
            ("Model", [f"iic/gte · bbbb2222cccc: 1[{BLUE}]"]),
            ("Slowest task now", [f"qa: 1.92 s[{YELLOW}]"]),
            ("Worst errors", [f"similarity: 2.38%[{RED}]"]),
            ("Room left", [f"more: 3.7 req/s[{BLUE}]", f"host CPUs: 72.0%[{YELLOW}]"]),
            ("Alerts", [f"firing: 1[{RED}]", f"muted: 2[{GREY}]"]),
        ],
    )
    def test_first_screen(self, overview: Shown, title: str, lines: list[str]) -> None:
        assert overview["gte-overview", title] == lines

    def test_the_slowest_task_is_the_first_line_with_what_it_was_and_how_many_times_that_is(
        self, overview: Shown
    ) -> None:
        head, *lines = overview["gte-overview", "Tasks: now, an hour ago, a day ago"]
        assert head == "Task | P95 now | 1 h ago | 1 d ago | × 1 h | QPS | Errors | Valid, 5 min | Service"
        # 30 requests are too few for a ratio.
        assert [line.replace("[#00000000]", "").replace(f"[{GREY}]", "") for line in lines] == [
            f"qa | 1.92 s[{YELLOW}] | 938 ms | 937 ms | 2.0[{RED}] | 0.823 req/s | 0% | 247 | gte-service",
            f"ner | 1.85 s[{YELLOW}] | 1.90 s | 962 ms | – | 0.100 req/s | 0% | 30 | gte-service",
            f"similarity | 477 ms | 475 ms | 470 ms | 1.0 | 0.997 req/s | 2.38%[{RED}] | 299 | gte-service",
            "embedding | 357 ms | 339 ms | 331 ms | 1.1 | 1.98 req/s | 0% | 593 | gte-service",
            "event | – | – | – | – | 0 req/s | – | – | gte-service",
        ]

    def test_in_chinese(self, prometheus: tuple[str, int]) -> None:
        chinese = shown(prometheus, LOADED, "zh", "overview")
        assert chinese["gte-overview-zh", "应答状态"] == [f"状态: 全部[{BLUE}]", f"应答数: 2[{GREY}]"]
        head, first, *_ = chinese["gte-overview-zh", "各任务：现在、一小时前、一天前"]
        assert head == "任务 | 当前 P95 | 1 小时前 | 1 天前 | 倍数 | QPS | 错误率 | 有效/5 分钟 | 服务"
        assert first.startswith(f"qa | 1.92 s[{YELLOW}] | 938 ms | 937 ms | 2.0[{RED}]")


@needs_engine
@pytest.mark.parametrize(
    ("ago", "lines"),
    [
        (DEAD, [f"state: NONE[{RED}]"]),
        (HALF, [f"state: some[{YELLOW}]", f"answering: 1[{GREY}]"]),
        (IDLE, [f"state: all[{BLUE}]", f"answering: 1[{GREY}]"]),
    ],
)
def test_whether_it_answers_is_what_the_server_says(prometheus: tuple[str, int], ago: int, lines: list[str]) -> None:
    assert shown(prometheus, ago, "en", "overview")["gte-overview", "Answering"] == lines


@needs_engine
def test_without_traffic_it_says_so_in_words_and_nothing_is_red(prometheus: tuple[str, int]) -> None:
    idle = shown(prometheus, IDLE, "en", "overview", "inside", "capacity", "stack")
    assert idle["gte-overview", "Model"] == [f"DEMO · builtin:lexical · 0123456789ab: 1[{ORANGE}]"]
    words = {
        ("gte-overview", "Slowest task now"): "too few requests",
        ("gte-overview", "Worst errors"): "no valid requests",
        ("gte-overview", "Room left"): "too little traffic to say",
        ("gte-inside", "Longest part"): "no requests",
        ("gte-capacity", "Room in QPS"): "too little traffic to say",
        ("gte-stack", "Grafana answers"): "Grafana is not part of this stack",
    }
    assert {panel: idle[panel][0].split("[")[0] for panel in words} == words
    assert [line for lines in idle.values() for line in lines if RED in line] == []
