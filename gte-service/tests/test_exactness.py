"""Whatever happens to workers, every request that was answered is counted, once, and alike in all metrics.

Meanwhile the service asks itself questions, which are not counted.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import Service, wait_for
from gte_monitoring.processes.slots import SlotHolder, read_holders
from gte_monitoring.recording.metric_files import read_metric_file
from gte_monitoring.recording.request_series import REQUESTS
from gte_service.contract import TASK_TYPES

TASKS: dict[str, dict[str, object]] = {
    "embedding": {"input_text": "今天天气很好"},
    "similarity": {"input_text": "今天天气很好", "candidates": ["今天天气不错", "股市大跌"]},
    "sentiment": {"input_text": "这家店的服务太差了"},
    "qa": {"input_text": "张三出生在北京。|张三出生在哪里？"},
    "nonsense": {"input_text": "没有这个任务"},
}


@dataclass
class Clients:
    """Clients that send requests without a pause and count what they get.

    Attributes:
        answers: by task and HTTP status.
        cut: ids of the requests whose connection ended without an answer.
    """

    service: Service
    clients: int = 8
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Clients:
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, more: int) -> None:
        """Go on until that many more requests have been answered."""
        goal = self.answers.total() + more
        wait_for(lambda: self.answers.total() >= goal, f"{more} more answers", seconds=120)

    def _client(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        sent = 0
        while not self._stop.is_set():
            sent += 1
            task, fields = list(TASKS.items())[sent % len(TASKS)]
            identity = f"client-{number}-request-{sent}"
            headers = {"Content-Type": "application/json", "X-Request-ID": identity}
            try:
                connection.request("POST", "/predict", json.dumps({"task_type": task, **fields}), headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.cut.append(identity)
                connection.close()
            else:
                with self._lock:
                    self.answers[task, answer.status] += 1
        connection.close()


def start(new_service: Callable[..., Service], tmp_path: Path, **environ: str) -> Service:
    """A ready service with four workers whose access log goes into a file."""
    log = os.open(tmp_path / "access.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    service = new_service(stdout=log, GTE_WORKERS="4", GTE_PROBE_SECONDS="1", **environ)
    os.close(log)
    service.wait_until("ready")
    wait_for(lambda: len(holders(service)) == 4, "four workers")
    return service


def holders(service: Service) -> list[SlotHolder]:
    return [holder for holder in read_holders(service.metrics_dir) if holder.alive]


def wait_until_gone(service: Service, workers: set[int]) -> None:
    wait_for(lambda: not workers & {holder.pid for holder in holders(service)}, "a reload")


def logged(tmp_path: Path) -> list[dict[str, object]]:
    """The tasks in the access log; each line was written right after its request was counted."""
    lines = (tmp_path / "access.log").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "task_type" in line]


def kill_one(service: Service, tmp_path: Path) -> None:
    """Kill a worker under load, at a moment when the log tells exactly what it has counted.

    Some microseconds lie between the count and the line in the log. A worker that is stopped there goes on for a
    moment: nobody could say afterwards whether a request without an answer had been counted.
    """
    victim = random.choice(holders(service))
    path = service.metrics_dir / f"counter_{victim.slot}.db"
    while True:
        os.kill(victim.pid, signal.SIGSTOP)
        counted = sum(
            value for series, value in read_metric_file(path).values.items()
            if series.sample == REQUESTS and dict(series.labels)["task_type"]
        )  # fmt: skip
        if counted == sum(line["worker"] == victim.slot for line in logged(tmp_path)):
            break
        os.kill(victim.pid, signal.SIGCONT)
        time.sleep(random.random() / 100)
    os.kill(victim.pid, signal.SIGKILL)
    wait_for(lambda: victim not in holders(service) and len(holders(service)) == 4, "a worker in its place")


def differences(service: Service, expected: Counter[tuple[str, str]]) -> dict[str, float]:
    """What metrics say more than was expected, for every metric that counts tasks; empty when there is nothing."""
    metrics = service.metrics()

    def total(name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value for key, value in metrics.items() if key.startswith(f"{name}{{") and all(w in key for w in wanted)
        )

    found: dict[str, float] = {}
    for task in (*TASK_TYPES, "unknown"):
        of_task = {status: count for (of, status), count in expected.items() if of == task}
        for status in ("success", "invalid", "error"):
            name = f"{task} {status}"
            found[name] = total("gte_task_requests_total", task_type=task, status=status) - of_task.get(status, 0)
        found[f"{task} latency"] = total("gte_task_latency_seconds_count", task_type=task) - sum(of_task.values())
        found[f"{task} errors"] = (
            total("gte_task_errors_total", task_type=task) - sum(of_task.values()) + of_task.get("success", 0)
        )
    found["http"] = total("flask_http_request_total", method="POST") - expected.total()
    found["http duration"] = total("flask_http_request_duration_seconds_count", path="/predict") - expected.total()
    return {name: difference for name, difference in found.items() if difference}


def counted_for(answers: Counter[tuple[str, int]]) -> Counter[tuple[str, str]]:
    """Answers by the labels they are counted under."""
    found: Counter[tuple[str, str]] = Counter()
    for (task, status), count in answers.items():
        outcome = "success" if status == 200 else "invalid" if status < 500 else "error"
        found[task if task in TASK_TYPES else "unknown", outcome] += count
    return found


def test_nothing_is_lost_or_counted_twice_while_workers_are_reloaded_recycled_and_killed(
    new_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start(new_service, tmp_path, GTE_MAX_REQUESTS="200")
    assert service.process is not None
    with Clients(service) as clients:
        for _ in range(3):
            clients.wait_for(400)
            kill_one(service, tmp_path)
            clients.wait_for(400)
            before = {holder.pid for holder in holders(service)}
            service.process.send_signal(signal.SIGHUP)
            wait_until_gone(service, before)
        clients.wait_for(400)
    # Nobody saw the answers of these, but they had been counted when their worker was killed.
    seen = {line["request_id"]: line for line in logged(tmp_path)}
    unseen = Counter((str(seen[each]["task_type"]), str(seen[each]["status"])) for each in clients.cut if each in seen)
    assert clients.answers.total() >= 2800
    assert clients.answers["embedding", 200] > 0
    assert clients.answers["nonsense", 400] > 0
    assert differences(service, counted_for(clients.answers) + unseen) == {}
    metrics = service.metrics()
    assert metrics["gte_worker_restarts_total"] >= 3 + 3 * 4
    # One may have had its 200 requests with the last ones.
    wait_for(lambda: service.metrics()["gte_workers"] == 4, "four workers")
    assert len(list(service.metrics_dir.glob("counter_[0-9]*.db"))) <= 8


def test_the_answers_of_a_reload_and_of_recycling_all_arrive(
    new_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start(new_service, tmp_path, GTE_MAX_REQUESTS="100")
    assert service.process is not None
    sent = 0
    before = {holder.pid for holder in holders(service)}
    service.process.send_signal(signal.SIGHUP)
    while before & {holder.pid for holder in holders(service)} or sent < 500:
        assert service.predict("embedding", "天气").status == 200
        sent += 1
    assert differences(service, Counter({("embedding", "success"): sent})) == {}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_counts_go_on_when_the_whole_service_was_ended_and_is_started_again(
    new_service: Callable[..., Service], how: signal.Signals
) -> None:
    service = new_service(GTE_WORKERS="2", GTE_PROBE_SECONDS="1")
    service.wait_until("ready")
    for _ in range(20):
        assert service.predict("embedding", "天气").status == 200
    begun = service.metrics()["gte_counters_start_time_seconds"]
    end_all(service, how)
    service.start()
    service.wait_until("ready")
    for _ in range(5):
        assert service.predict("embedding", "天气").status == 200
    assert differences(service, Counter({("embedding", "success"): 25})) == {}
    metrics = service.metrics()
    assert metrics["gte_counters_start_time_seconds"] == begun
    assert metrics["gte_worker_restarts_total"] == 0
    assert metrics['gte_active_requests{task_type="embedding"}'] == 0


def end_all(service: Service, how: signal.Signals) -> None:
    """End every process of a service, as the end of its container does."""
    assert service.process is not None
    if how != signal.SIGKILL:
        service.stop()
        return
    metrics = service.metrics()
    assert metrics["gte_workers"] == 2
    family = descendants(service.process.pid)
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    service.process.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() and alive(pid) for pid in family), "all are gone")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in descendants(child))]
