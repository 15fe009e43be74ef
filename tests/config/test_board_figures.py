"""The panels show the right figures: written series go through the real rules, and Prometheus answers the queries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.config.boards import Boards, filled_in, read
from tests.config.containers import needs_engine
from tests.config.promtool import FOLDER, RULES, failures_in

pytestmark = needs_engine

MINUTES = 12
"""How long each scenario lasts; it is looked at in its last minute."""
ROUND = "round({}, 0.0001)"
WINDOWS = {"$__rate_interval": "1m", "$__interval": "1m", "$__range": "10m"}
BOUNDS = ("0.005", "0.1", "0.2", "0.5", "1.0", "2.0", "3.0", "+Inf")

Series = Mapping[str, str]
Figures = Mapping[str, float]
"""By the labels of each series."""


class Case(NamedTuple):
    """What a query of a panel gives in a scenario."""

    scenario: str
    panel: str
    query: str
    figures: Figures
    # Applied to the query, which it names `{}`. Without a metric's name the figures are easier to read.
    of: str = ROUND
    windows: Mapping[str, str] = WINDOWS


def grows(a_step: float) -> str:
    """A counter that grows by this every 5 s."""
    return f"0+{a_step}x{12 * MINUTES}"


def stays(value: float, *, each: int = 5) -> str:
    """A gauge, scraped or recorded each so many seconds."""
    return f"{value}x{60 * MINUTES // each}"


def asked(task: str, *, up_to: Mapping[str, float], instance: str = "r1", **status: float) -> Series:
    """Requests of a task to a replica, each 5 s.

    Args:
        task: its type.
        up_to: how many took how long: by the bound of their bucket; the rest took less than the first bound.
        instance: of the replica.
        status: how many had which outcome.
    """
    labels = f'job="gte-service",instance="{instance}",task_type="{task}"'
    total = sum(status.values())
    quick = total - sum(up_to.values())
    counts = [quick + sum(up_to.get(bound, 0) for bound in BOUNDS[: at + 1]) for at in range(len(BOUNDS))]
    return (
        {f'gte_task_requests_total{{{labels},status="{name}"}}': grows(value) for name, value in status.items()}
        | {f'gte_task_latency_seconds_bucket{{{labels},le="{bound}"}}': grows(count)
           for bound, count in zip(BOUNDS, counts, strict=True)}
        | {f"gte_task_latency_seconds_count{{{labels}}}": grows(total)}
    )  # fmt: skip


# Seconds of each part of the time, each 5 s, by all requests of "qa".
PARTS = {"tokenize": 1, "queue": 20, "inference": 160, "postprocess": 1, "rest": 18}


def replica(instance: str, busy_seconds: float) -> Series:
    """A replica under load: of "qa" 100 valid requests take 2 to 3 s and 2 % fail, and 50 invalid ones are refused."""
    here = f'job="gte-service",instance="{instance}"'
    return {
        **asked("qa", instance=instance, success=98, error=2, invalid=50, up_to={"3.0": 100}),
        **asked("embedding", instance=instance, success=10, error=0, up_to={"0.2": 10}),
        **{f'gte_task_phase_seconds_total{{{here},task_type="qa",phase="{phase}"}}': grows(seconds)
           for phase, seconds in PARTS.items()},
        f'gte_phase_seconds_bucket{{{here},phase="queue",le="0.5"}}': stays(0),
        f'gte_phase_seconds_bucket{{{here},phase="queue",le="1.0"}}': grows(150),
        f'gte_phase_seconds_bucket{{{here},phase="queue",le="+Inf"}}': grows(150),
        f'gte_task_errors_total{{{here},task_type="qa",reason="overloaded"}}': grows(2),
        f'gte_task_errors_total{{{here},task_type="qa",reason="invalid_json"}}': grows(50),
        f'gte_truncated_inputs_total{{{here},task_type="qa"}}': grows(6),
        f"gte_batch_texts_sum{{{here}}}": grows(100),
        f"gte_batch_texts_count{{{here}}}": grows(10),
        f'gte_task_latency_seconds_sum{{{here},task_type="qa"}}': grows(sum(PARTS.values())),
        f'gte_task_latency_seconds_sum{{{here},task_type="embedding"}}': grows(0),
        f'gte_input_tokens_total{{{here},task_type="qa"}}': grows(980),
        f'gte_input_tokens_total{{{here},task_type="embedding"}}': grows(20),
        f"gte_batch_tokens_sum{{{here}}}": grows(1000),
        f"gte_batch_tokens_count{{{here}}}": grows(10),
        f"gte_inference_busy_seconds_total{{{here}}}": grows(busy_seconds),
        f"gte_inference_slots{{{here}}}": stays(1),
        f"gte_server_up{{{here}}}": stays(1),
        f'gte_active_requests{{{here},task_type="qa"}}': stays(3),
        f'gte_model_info{{{here},model="builtin:lexical",revision="0123456789abcdef"}}': stays(1),
    }  # fmt: skip


def few(requests: float) -> Series:
    """So many requests of a task in 5 min, all slow, with all their time in one phase."""
    phase = 'job="gte-service",instance="r1",phase="inference"'
    return {
        **asked("qa", success=requests / 60, up_to={"3.0": requests / 60}),
        f'gte_phase_seconds_bucket{{{phase},le="2.0"}}': stays(0),
        f'gte_phase_seconds_bucket{{{phase},le="5.0"}}': grows(requests / 60),
        f'gte_phase_seconds_bucket{{{phase},le="+Inf"}}': grows(requests / 60),
    }


def recorded(name: str, value: float, **labels: str) -> Series:
    """A series that a rule records; no rule writes it here, as what it is made of is missing."""
    written = ",".join(f'{label}="{text}"' for label, text in ({"job": "gte-service"} | labels).items())
    return {f"{name}{{{written}}}": stays(value)}


def revision(name: str, requests: float, slowest: str) -> Series:
    """A revision with so many requests a minute of "qa", all in one bucket, and their machine's figures."""
    buckets = {
        f'job_revision_task_type_le:gte_task_latency_seconds_bucket:increase1m{{job="gte-service",task_type="qa",'
        f'revision="{name}",le="{bound}"}}': stays(requests if BOUNDS.index(bound) >= BOUNDS.index(slowest) else 0)
        for bound in BOUNDS
    }  # fmt: skip
    counts = "job_revision_task_type_status:gte_task_requests:increase1m"
    return {
        **buckets,
        **recorded(counts, requests * 0.98, task_type="qa", revision=name, status="success"),
        **recorded(counts, requests * 0.02, task_type="qa", revision=name, status="error"),
        **recorded(counts, 0, task_type="qa", revision=name, status="invalid"),
        **recorded("job_revision:gte_inference_busy_seconds:increase1m", requests / 10, revision=name),
        **recorded("job_revision:gte_batch_tokens:increase1m", 100 * requests, revision=name),
        **recorded("job_revision:gte_batches:increase1m", requests, revision=name),
    }


HOUR_AGO = "an hour ago it was different"


def task_then_and_now(task: str, requests: str, p95: str) -> Series:
    """Recorded figures of a task."""
    labels = f'job="gte-service",task_type="{task}"'
    return {
        f"{P95}_rate5m{{{labels}}}": p95,
        f"{P95}_latest{{{labels}}}": p95,
        f"job_task_type:gte_task_requests:increase5m{{{labels}}}": requests,
    }


def alert(name: str, severity: str, since: float, **labels: str) -> Series:
    """An alert that fires, as Prometheus itself writes it."""
    written = "".join(f',{label}="{text}"' for label, text in labels.items())
    own = f'alertname="{name}",severity="{severity}"{written}'
    return {f'ALERTS{{{own},alertstate="firing"}}': stays(1), f"ALERTS_FOR_STATE{{{own}}}": stays(since)}


P95, LATENCY = "job_task_type:gte_task_latency_seconds:p95", "job_revision:gte_task_latency_seconds:p95_rate5m"
DISK = 'instance="h",device="/dev/a",mountpoint="/"'
READ_ONLY = 'instance="h",device="/dev/b",mountpoint="/snap"'
SCENARIOS: dict[str, Series] = {
    "nothing": {'up{job="gte-service",instance="r1"}': stays(1)},
    "busy": {**replica("r1", 2), **replica("r2", 2)},
    # Seconds are added when a computation ends.
    "full": replica("r1", 6),
    # Half as many are refused, which counts neither in the mean nor in the P95.
    "quick": {
        **asked("embedding", success=100, error=0, invalid=50, up_to={"0.2": 100}),
        'gte_task_latency_seconds_sum{job="gte-service",instance="r1",task_type="embedding"}': grows(15),
        'gte_inference_busy_seconds_total{job="gte-service",instance="r1"}': grows(2),
        'gte_inference_slots{job="gte-service",instance="r1"}': stays(1),
    },
    "idle": {name: re.sub(r"0\+[\d.]+x", "7x", values) for name, values in replica("r1", 2).items()},
    "no failure": asked("qa", success=100, invalid=5, up_to={"0.2": 100}),
    "one of two is down": {
        'gte_server_up{job="gte-service",instance="r1"}': stays(1),
        'gte_server_up{job="gte-service",instance="r2"}': stays(0),
    },
    "all are gone": {'gte_server_up{job="gte-service",instance="r1"}': "1x12 _x130"},
    "other model": {
        'gte_model_info{job="gte-service",instance="r1",model="iic/gte",revision="0123"}': stays(1),
    },
    "19 requests": few(19),
    "21 requests": few(21),
    "19 requests a minute": few(5 * 19),
    "21 requests a minute": few(5 * 21),
    # Of the 10 min that are shown.
    "49 requests": few(24.5),
    "51 requests": few(25.5),
    "a name that is no task": {
        **asked("unknown", invalid=0, up_to={}),
        **asked("qa", success=0, up_to={}),
    },
    # In steps of a minute.
    HOUR_AGO: {
        **task_then_and_now("qa", requests="50x12 50x60", p95="0.96x12 1.92x60"),
        **task_then_and_now("ner", requests="50x12 49x60", p95="0.96x12 1.92x60"),
        **task_then_and_now("event", requests="49x12 50x60", p95="0.96x12 1.92x60"),
    },
    "compared": {**revision("old", 10, "0.5"), **revision("new", 10, "1.0")},
    # 145 figures, one each 5 s.
    "99 requests before": {**revision("old", 99 / 145, "0.5"), **revision("new", 10, "1.0")},
    "49 requests before": {**revision("old", 49 / 145, "0.5"), **revision("new", 10, "1.0")},
    "19 requests before": {**revision("old", 19 / 145, "0.5"), **revision("new", 10, "1.0")},
    "half full": {
        **recorded("job:gte_capacity_use:ratio_rate5m", 0.5),
        **recorded("job:gte_task_successes:rate5m", 12),
        **recorded("job_revision:gte_model_info:only5m", 1, revision="new"),
        **recorded(LATENCY, 0.7, revision="new"),
    },
    "alerts": {
        **alert("Watchdog", "none", since=0),
        **alert("GTE_ErrorRateHigh", "critical", since=300, job="gte-service", task_type="qa"),
        'up{job="gte-service",instance="r1"}': stays(1),
    },
    "host": {
        f"node_filesystem_size_bytes{{{DISK}}}": stays(100),
        f"node_filesystem_avail_bytes{{{DISK}}}": f"18.4-0.1x{12 * MINUTES}",
        f"node_filesystem_readonly{{{DISK}}}": stays(0),
        f"node_filesystem_size_bytes{{{READ_ONLY}}}": stays(100),
        f"node_filesystem_avail_bytes{{{READ_ONLY}}}": stays(0),
        f"node_filesystem_readonly{{{READ_ONLY}}}": stays(1),
        'node_memory_MemTotal_bytes{instance="h"}': stays(100),
        'node_memory_MemAvailable_bytes{instance="h"}': stays(8),
        "alert_inbox_watchdog_heard_timestamp_seconds": stays(660),
        'up{job="a"}': stays(1),
        'up{job="b"}': stays(0),
    },
}
JOB = '{job="gte-service"}'
QA, EMBEDDING = '{job="gte-service",task_type="qa"}', '{job="gte-service",task_type="embedding"}'
BY_TASK = ('{task_type="qa"}', '{task_type="embedding"}')


def by_task(*values: float) -> Figures:
    return dict(zip(BY_TASK, values, strict=False))


def labelled(**label: str) -> str:
    """A series with this label, in PromQL."""
    ((name, value),) = label.items()
    return f'label_replace(vector(1), "{name}", "{value}", "", "")'


CASES = [
    # The state of things
    Case("busy", "overview answering", "A", {"{}": 1}),
    Case("busy", "overview answering", "B", {"{}": 2}),
    Case("one of two is down", "overview answering", "A", {"{}": 0.5}),
    Case("one of two is down", "overview answering", "B", {"{}": 1}),
    Case("all are gone", "overview answering", "A", {"{}": 0}),
    Case("busy", "overview model", "A", {}),
    Case("busy", "overview model", "B", {'{model="builtin:lexical",short="0123456789ab"}': 1}),
    Case("other model", "overview model", "A", {'{model="iic/gte",short="0123"}': 1}),
    Case("other model", "overview model", "B", {}),
    Case("other model", "overview model", "C", {}),
    Case("no failure", "overview model", "C", {"{}": 1}),
    Case("busy", "overview slowest", "A", {QA: 2.95}),
    Case("21 requests", "overview slowest", "A", {QA: 2.95}),
    Case("19 requests", "overview slowest", "A", {}),
    Case("idle", "overview slowest", "A", {}),
    Case("busy", "overview failing", "A", {QA: 0.02}),
    Case("busy", "overview failing", "B", {}),
    Case("no failure", "overview failing", "A", {}),
    Case("no failure", "overview failing", "B", {"{}": 0}),
    Case("idle", "overview failing", "A", {}),
    Case("idle", "overview failing", "B", {}),
    # 43.2 good requests a second take 40 % of two slots.
    Case("busy", "overview room", "A", {JOB: 43.2}),
    Case("busy", "overview room", "B", {'{job="gte-service",resource="slots"}': 0.4}),
    Case("full", "overview room", "A", {JOB: 0}),
    Case("idle", "overview room", "A", {}),
    Case("49 requests", "overview room", "A", {}),
    Case("alerts", "overview firing", "A", {"{}": 1}),
    Case("alerts", "overview alerts", "A", {
        '{alertname="GTE_ErrorRateHigh",alertstate="firing",instance="–",job="gte-service",severity="critical",'
        'task_type="qa"}': 300_000}),
    Case("alerts", "overview alert history", "A", {'{alertname="GTE_ErrorRateHigh",task_type="qa"}': 2}),
    # The table of tasks. A day and an hour ago there was none of them: NaN, which Grafana shows as a dash.
    Case("busy", "overview tasks", "A", {QA: 2.95, EMBEDDING: 0.195}),
    Case("19 requests", "overview tasks", "A", {}),
    Case("busy", "overview tasks", "B", {"{}": 2}, "count({} != {})"),
    Case("busy", "overview tasks", "C", {"{}": 2}, "count({} != {})"),
    Case("busy", "overview tasks", "D", {"{}": 2}, "count({} != {})"),
    Case(HOUR_AGO, "overview tasks", "B", {QA: 0.96},
         f"{ROUND} and on (task_type) {labelled(task_type='qa')}"),
    # Of fewer than 50 requests, then or now, there is no ratio.
    Case(HOUR_AGO, "overview tasks", "D", {QA: 2}, "round({}, 0.0001) > 0"),
    Case("busy", "overview tasks", "E", {QA: 60, EMBEDDING: 4}),
    Case("a name that is no task", "overview tasks", "E", {QA: 0}),
    Case("busy", "overview tasks", "F", {QA: 0.02, EMBEDDING: 0}),
    Case("idle", "overview tasks", "F", {"{}": 2}, "count({} != {})"),
    # Refused ones are not counted.
    Case("busy", "overview tasks", "G", {QA: 12_000, EMBEDDING: 1200}),
    Case("idle", "overview tasks", "G", {"{}": 2}, "count({} != {})"),
    Case("busy", "overview qps", "A", by_task(60, 4)),
    Case("idle", "overview qps", "A", by_task(0, 0)),
    Case("busy", "overview p95", "A", by_task(2.95, 0.195)),
    Case("19 requests", "overview p95", "A", {}),
    Case("busy", "overview since", "A", by_task(2.95, 0.195)),
    Case("busy", "overview errors", "A", by_task(0.02, 0)),
    Case("idle", "overview errors", "A", {}),
    Case("busy", "overview slow share", "A", by_task(1, 0)),
    Case("idle", "overview slow share", "A", {}),
    Case("busy", "overview in flight", "A", {'{task_type="qa"}': 6}),
    # A third of "qa" was refused at once, the rest took over 2 s.
    Case("busy", "overview durations", "A", by_task(1 / 3, 0)),
    Case("busy", "overview durations", "B", by_task(0, 1)),
    Case("busy", "overview durations", "F", by_task(2 / 3, 0)),
    Case("49 requests", "overview durations", "F", {}),
    Case("51 requests", "overview durations", "F", {'{task_type="qa"}': 1}),
    # Each request is in one cell: at three zooms the buckets add up to all that were made.
    *(
        Case("busy", "overview heatmap", "A", {"{}": 3840 * minutes}, "round(max({}))",
             {**WINDOWS, "$__interval": f"{minutes}m"})
        for minutes in (1, 2, 5)
    ),
    Case("busy", "overview heatmap", "A", {'{le="2.0"}': 1440},
         f"round({{}}) and on (le) {labelled(le='2.0')}"),
    Case("idle", "overview percentiles", "A", {}),
    Case("busy", "overview percentiles", "A", {"{}": 2 + 480 / 2400}),
    Case("busy", "overview percentiles", "B", {"{}": 2.92}),
    *(Case("19 requests", "overview percentiles", letter, {}, ROUND, {**WINDOWS, "$__interval": "5m"})
      for letter in "ABC"),
    Case("21 requests", "overview percentiles", "B", {"{}": 2.95}, ROUND, {**WINDOWS, "$__interval": "5m"}),
    # The parts of the time are the mean latency: 200 s of 160 requests.
    Case("busy", "inside parts", "A", {"{}": 1.25}, "round(sum({}), 0.0001)"),
    Case("busy", "inside parts", "A", {'{phase="inference"}': 1}, "round({}, 0.0001) >= 1"),
    Case("idle", "inside parts", "A", {}),
    Case("busy", "inside longest", "A", {'{phase="inference"}': 1}),
    Case("idle", "inside longest", "A", {}),
    Case("busy", "inside parts by task", "C", {'{task_type="qa"}': 160 / 150}),
    Case("busy", "inside parts by task", "F", {'{task_type="qa"}': 200 / 150}),
    Case("idle", "inside parts by task", "F", {}),
    Case("busy", "inside p95 by replica", "A", {'{instance="r1"}': 2.92, '{instance="r2"}': 2.92},
         "max by (instance) (round({}, 0.0001))"),
    Case("19 requests a minute", "inside p95 by replica", "A", {}),
    Case("19 requests a minute", "inside p95 by phase", "A", {}),
    Case("21 requests a minute", "inside p95 by phase", "A", {'{phase="inference"}': 4.85}),
    Case("19 requests a minute", "overview percentiles", "B", {}),
    Case("21 requests a minute", "overview percentiles", "B", {"{}": 2.95}),
    Case("busy", "inside tokens", "A", by_task(10, 2)),
    Case("idle", "inside tokens", "A", {}),
    Case("busy", "inside seconds per 1000 tokens", "A", {'{instance="r1"}': 2, '{instance="r2"}': 2}),
    Case("idle", "inside seconds per 1000 tokens", "A", {}),
    Case("busy", "inside batch", "A", {"{}": 100}),
    Case("idle", "inside batch", "A", {}),
    Case("busy", "inside texts in batch", "A", {"{}": 10}),
    Case("idle", "inside texts in batch", "A", {}),
    Case("busy", "inside queue time", "A", {"{}": 3600}, "round(max({}))"),
    Case("busy", "inside p95 by phase", "A", {'{phase="queue"}': 0.975}),
    Case("busy", "inside refused", "A", {"{}": 0.8}),
    Case("idle", "inside refused", "A", {"{}": 0}),
    Case("busy", "inside failures", "A", {'{reason="overloaded"}': 0.8}),
    Case("busy", "inside invalid", "A", {'{reason="invalid_json"}': 20}),
    Case("busy", "inside truncated", "A", {JOB: 0.06}),
    Case("idle", "inside truncated", "A", {}),
    # Capacity
    Case("busy", "capacity use", "A", {"{}": 0.4}),
    Case("full", "capacity use", "A", {"{}": 1}),
    Case("full", "capacity use", "B", {"{}": 1}),
    Case("busy", "capacity qps", "A", {"{}": 43.2}),
    Case("busy", "capacity qps", "B", {"{}": 86.4}),
    Case("idle", "capacity qps", "B", {}),
    Case("busy", "capacity room", "A", {"{}": 43.2}),
    # It has never been full.
    Case("busy", "capacity room", "B", {}),
    Case("full", "capacity room", "B", {"{}": 0}),
    # Little's law: 108 requests a second at most, of 1.25 s where the P95 is 2.92 s.
    Case("quick", "capacity clients", "A", {"{}": 20 / 0.4 * 2 * 0.15 / 0.195}),
    # The P95 is over 2 s already.
    Case("busy", "capacity clients", "A", {}),
    Case("idle", "capacity clients", "A", {}),
    Case("49 requests", "capacity clients", "A", {}),
    Case("busy", "capacity clients", "B", {"{}": 6}),
    Case("busy", "capacity first full", "A",
         {'{job="gte-service",resource="slots"}': 0.4}),
    Case("busy", "capacity flow", "A", {"{}": 64}),
    Case("busy", "capacity flow", "B", {"{}": 43.2}),
    # 2 ms a token: 10 tokens a request of "qa", 2 of "embedding"; 2 slots.
    Case("busy", "capacity cost", "A", {QA: 0.02, EMBEDDING: 0.004}),
    Case("busy", "capacity cost", "C", {QA: 10, EMBEDDING: 2}),
    Case("busy", "capacity cost", "D", {QA: 0.392, EMBEDDING: 0.008}),
    Case("busy", "capacity cost", "E", {QA: 0.01, EMBEDDING: 0.002}),
    Case("busy", "capacity cost", "F", {QA: 80, EMBEDDING: 400}),
    Case("idle", "capacity cost", "A", {}),
    # Which load was answered how quickly
    Case("half full", "capacity latency by load", "C", {'{revision="new"}': 0.7}),
    Case("half full", "capacity latency by load", "B", {"{}": 1}, "count({} != {})"),
    Case("half full", "capacity qps by load", "C", {'{revision="new"}': 12}),
    # Before and after
    Case("compared", "capacity compare", "A", {'{task_type="qa"}': 10 * (12 * MINUTES + 1)}),
    Case("compared", "capacity compare", "C", {'{task_type="qa"}': 0.35}),
    Case("compared", "capacity compare", "F", {'{task_type="qa"}': 0.975}),
    Case("compared", "capacity compare", "G", {'{task_type="qa"}': 0.975 / 0.485}),
    Case("compared", "capacity compare", "H", {'{task_type="qa"}': 0.02}),
    Case("compared", "capacity compare machine", "C",
         {f'{{figure="{figure}",job="gte-service"}}': 1 for figure in ("cost", "batch")}),
    Case("99 requests before", "capacity compare", "E", {'{task_type="qa"}': 0.485}),
    Case("99 requests before", "capacity compare", "G", {}),
    Case("49 requests before", "capacity compare", "E", {'{task_type="qa"}': 0.485}),
    Case("49 requests before", "capacity compare", "H", {}),
    Case("19 requests before", "capacity compare", "E", {}),
    Case("19 requests before", "capacity p95 by revision", "A", {'{revision="new"}': 0.975}),
    Case("19 requests before", "capacity errors by revision", "A", {'{revision="new"}': 0.02}),
    Case("compared", "capacity p95 by revision", "A", {'{revision="old"}': 0.485, '{revision="new"}': 0.975}),
    # The host
    Case("host", "stack disks", "A", {f"{{{DISK}}}": 0.9485}),
    Case("host", "stack disk now", "A", {f"{{{DISK}}}": 0.9485}),
    Case("host", "stack days", "A", {'{instance="h",device="/dev/a",mountpoint="/"}': 4}),
    # What is left, 4, at 0.02 a second.
    Case("host", "stack days", "B", {'{instance="h",device="/dev/a",mountpoint="/"}': 200}),
    Case("host", "stack memory now", "A", {'{instance="h"}': 0.92}),
    Case("host", "stack told", "A", {"{}": 60}),
    Case("host", "stack down", "A", {"{}": 1}),
]  # fmt: skip

# Changes of a query that parses: panel, query, what is replaced, and by what.
MISTAKES: Mapping[str, tuple[str, str, str, str]] = {
    "replicas that are down count as gone": ("overview answering", "A", "/ count(max", "/ sum(max"),
    "dead replicas are forgotten": ("overview answering", "A", "or 0 *", "or 1 *"),
    "no task fails, and none is asked": ("overview failing", "B", " > 0) unless", " >= 0) unless"),
    "a ratio of few requests": ("overview tasks", "D", ">= 50", ">= 5"),
    "another hour": ("overview tasks", "B", "offset 1h", "offset 10m"),
    "a name that is no task has a line": ("overview tasks", "E", 'task_type!="unknown"', 'task_type!=""'),
    "shares of few requests": ("overview durations", "F", ">= 50", ">= 5"),
    "another bound": ("overview durations", "A", "0[.]1", "0[.]2"),
    "another percentile": ("overview percentiles", "B", "0.95", "0.9"),
    "a percentile of few requests": ("overview percentiles", "B", ">= 20", ">= 2"),
    "a part of the time is left out": ("inside parts", "A", ":rate1m{", ':rate1m{phase!="rest",'),
    "a longer mean": ("inside longest", "A", "sum by (phase)", "max by (phase)"),
    "tokens of a token": ("inside batch", "A", "gte_batch_tokens_count", "gte_batch_tokens_sum"),
    "seconds of 100 tokens": ("inside seconds per 1000 tokens", "A", "1000 *", "100 *"),
    "the room at 90 %": ("capacity qps", "B", "0.8", "0.9"),
    "another limit of the P95": ("capacity clients", "A", "* 2 *", "* 1 *"),
    "the cost of one slot": ("capacity cost", "E", "sum by (job) (avg", "max by (job) (avg"),
    "a comparison of few requests": ("capacity compare", "G", ">= 100", ">= 10"),
    "before and after swapped": ("capacity compare", "G", "$before", "$after"),
    "an error rate of all requests": ("capacity compare", "H", 'status="error"', 'status!="invalid"'),
    "read-only disks": ("stack disk now", "A", " == 1", " == 2"),
    "the time until twice as full": ("stack days", "B", "/ -(deriv", "/ -(2 * deriv"),
    "memory that is left": ("stack memory now", "A", "1 - avg", "avg"),
}
# What says something where there is nothing but a target that answers.
WITHOUT_SERIES: Mapping[str, Figures] = {
    "overview model C": {"{}": 1},
    "overview firing A": {"{}": 0},
    "stack down A": {"{}": 0},
    "stack down B": {"{}": 1},
    "stack targets A": {'{instance="r1",job="gte-service"}': 1},
}


def expression(boards: Boards, case: Case, mistake: tuple[str, str] = ("", "")) -> str:
    name, key = case.panel.split(" ", 1)
    target = boards.panel(name, key)["targets"][ord(case.query) - ord("A")]
    changed = target["expr"].replace(*mistake)
    written = changed.replace("$before", "old").replace("$after", "new")
    return case.of.replace("{}", filled_in(written, windows=dict(case.windows)))


def all_cases() -> list[Case]:
    """Those above, and each query where there is no series."""
    silent = [
        Case("nothing", f"{name} {key}", target["refId"],
             WITHOUT_SERIES.get(f"{name} {key} {target['refId']}", {}))
        for language, name, key, panel in boards().panels() if language == "en" for target in panel["targets"]
    ]  # fmt: skip
    return [*CASES, *silent]


def failed(cases: list[tuple[Case, str]], folder: Path) -> dict[int, str]:
    """What Prometheus says of the cases that are not as expected, by their place; one run for all.

    Args:
        cases: each with its expression.
        folder: to write into.
    """
    tests = [
        {
            "name": scenario,
            "interval": "1m" if scenario == HOUR_AGO else "5s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f"{asked} # case {at}",
                    "eval_time": f"{72 if scenario == HOUR_AGO else MINUTES}m",
                    "exp_samples": [
                        {"labels": labels, "value": round(value, 4)} for labels, value in case.figures.items()
                    ],
                }
                for at, (case, asked) in enumerate(cases)
                if case.scenario == scenario
            ],
        }
        for scenario, series in SCENARIOS.items()
    ]
    folder.chmod(0o755)
    file = folder / "figures.yml"
    # JSON is YAML too.
    file.write_text(
        json.dumps(
            {
                "rule_files": [f"/project/{path}" for path in RULES],
                "evaluation_interval": "1m",
                "fuzzy_compare": True,
                "tests": [test for test in tests if test["promql_expr_test"]],
            }
        )
    )
    file.chmod(0o644)
    folders = {folder: "/figures", FOLDER: "/project/prometheus"}
    said = "\n".join(failures_in(file.name, "/figures", folders).values())
    return {int(number): part for part in re.split(r"(?=expr: )", said) for number in re.findall(r"# case (\d+)", part)}


@cache
def boards() -> Boards:
    return read()


def all_mistakes() -> list[tuple[str, Case, str]]:
    """Each mistake with the cases of its query, and the changed query."""
    return [
        (what, case, expression(boards(), case, (old, new)))
        for what, (panel, query, old, new) in MISTAKES.items()
        for case in CASES
        if (case.panel, case.query) == (panel, query)
    ]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Of all cases, and of all mistakes after them."""
    asked = [(case, expression(boards(), case)) for case in all_cases()]
    return failed([*asked, *(each[1:] for each in all_mistakes())], tmp_path_factory.mktemp("figures"))


@pytest.mark.parametrize("at", range(len(all_cases())), ids=lambda at: " ".join(all_cases()[at][1:3]))
def test_panel_shows_the_right_figure(at: int, failures: dict[int, str]) -> None:
    assert failures.get(at, "") == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_query_is_noticed_by_its_figure(mistake: str, failures: dict[int, str]) -> None:
    panel, query, old, _ = MISTAKES[mistake]
    name, key = panel.split(" ", 1)
    assert old in boards().panel(name, key)["targets"][ord(query) - ord("A")]["expr"]
    said = [
        failures[at]
        for at, each in enumerate(all_mistakes(), len(all_cases()))
        if each[0] == mistake and at in failures
    ]
    assert said
    # Not because it is no PromQL.
    assert "parse" not in "".join(said)
