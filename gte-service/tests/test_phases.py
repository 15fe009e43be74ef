"""The time of every request is in the phases of its task, whether it gets a result or not."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from conftest import Service, wait_for
from gte_monitoring.contract import PHASES, REST
from gte_service.contract import TASK_TYPES

# Alone it is not refused, and takes longer than it may on any machine: each text is computed alone.
SLOW = ["天气"] * 40000


@pytest.fixture
def impatient(new_service: Callable[..., Service]) -> Service:
    """A service that gives requests four seconds."""
    service = new_service(
        GTE_WORKERS="1", GTE_DEADLINE_SECONDS="4", GTE_QUEUE_TEXTS="8", GTE_MAX_TEXTS="40000",
        GTE_BATCH_TOKENS="1",
    )  # fmt: skip
    service.wait_until("ready")
    return service


def phases(metrics: dict[str, float], task: str) -> dict[str, float]:
    """The seconds of a task in each phase that is not empty."""
    series = {name: f'gte_task_phase_seconds_total{{phase="{name}",task_type="{task}"}}' for name in (*PHASES, REST)}
    return {name: metrics[key] for name, key in series.items() if metrics[key]}


def test_the_phases_of_each_task_add_up_to_its_latency_whatever_became_of_its_requests(impatient: Service) -> None:
    with ThreadPoolExecutor() as clients:
        slow = clients.submit(impatient.predict, "embedding", SLOW)
        wait_for(lambda: impatient.metrics()["gte_queue_depth"] > 8, "a full queue", 20)
        refused = impatient.predict("similarity", ["天气", "股票"])
        late = slow.result()
    assert (refused.status, late.status) == (503, 504)
    assert impatient.predict("qa", "张三出生在北京。|张三出生在哪里？").status == 200
    assert impatient.predict("ner", "").status == 400
    assert impatient.predict("sing", "天气").status == 400
    metrics = impatient.metrics()
    for task in (*TASK_TYPES, "unknown"):
        latency = metrics[f'gte_task_latency_seconds_sum{{task_type="{task}"}}']
        assert sum(phases(metrics, task).values()) == pytest.approx(latency, rel=1e-9), task
    assert set(phases(metrics, "qa")) == {*PHASES, REST}
    assert set(phases(metrics, "similarity")) == {"tokenize", REST}
    assert set(phases(metrics, "ner")) == set(phases(metrics, "unknown")) == {REST}
    assert phases(metrics, "event") == {}


def test_the_time_in_which_a_body_arrives_is_no_part_of_the_request(service: Service) -> None:
    """It is the client's. A thread has the request from when it is complete."""
    body = json.dumps({"task_type": "relation", "input_text": "张三出生在北京。"}).encode()
    before = phases(service.metrics(), "relation")
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])
        time.sleep(0.5)  # the client is slow
        connection.send(body[10:])
        assert connection.getresponse().status == 200
    after = phases(service.metrics(), "relation")
    assert sum(after.values()) - sum(before.values()) < 0.4


def test_a_late_request_tells_the_time_it_waited_and_was_computed(impatient: Service) -> None:
    late = impatient.predict("embedding", SLOW)
    assert late.status == 504
    metrics = impatient.metrics()
    told = phases(metrics, "embedding")
    assert set(told) == {"tokenize", "queue", "inference", REST}
    assert {name: metrics[f'gte_phase_seconds_sum{{phase="{name}"}}'] for name in PHASES} == {
        "tokenize": told["tokenize"],
        "queue": told["queue"],
        "inference": told["inference"],
        "postprocess": 0,
    }
    timing = dict(re.findall(r"(\w+);dur=([\d.]+)", late.headers["Server-Timing"]))
    assert {name: float(ms) for name, ms in timing.items()} == {
        name: pytest.approx(1000 * told[name], abs=0.01) for name in ("tokenize", "queue", "inference")
    }
    # The line is written after the answer has been made, and maybe after the client has it.
    (line,) = wait_for(
        lambda: [json.loads(line) for line in impatient.log.read_text().splitlines() if '"embedding"' in line],
        "the line in the log",
    )
    assert line["queue_ms"] == pytest.approx(1000 * told["queue"], abs=0.001)
    assert line["inference_ms"] == pytest.approx(1000 * told["inference"], abs=0.001)
    assert line["postprocess_ms"] is None
