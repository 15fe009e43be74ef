"""The service outlives what happens to its processes, and its counts stay exact."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Service, wait_for
from gte_monitoring.processes.slots import SlotHolder, read_holders
from gte_service.__main__ import main
from gte_service.serving.health import UNREACHABLE_SECONDS, check
from gte_service.serving.status import read_readiness
from gte_service.settings import read_settings

JSON = {"Content-Type": "application/json"}
# Requests that keep a small model busy for a while.
LARGE = {"GTE_MAX_TEXTS": "20000", "GTE_MAX_TOKENS": "2000000", "GTE_MAX_BODY_BYTES": "10000000"}
SUCCESSES = 'gte_task_requests_total{status="success",task_type="embedding"}'


def holders(service: Service) -> list[SlotHolder]:
    return [holder for holder in read_holders(service.metrics_dir) if holder.alive]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def start_ready(new_service: Callable[..., Service], **environ: str) -> Service:
    service = new_service(**environ)
    service.wait_until("ready")
    return service


def send_until_answered(service: Service, requests: int) -> int:
    """Send that many requests from four clients; a refused or cut connection is tried anew. Returns the answers."""

    def one(number: int) -> int:
        try:
            return int(service.predict("embedding", f"第{number}条").status == 200)
        except (OSError, http.client.HTTPException):
            return 0

    with ThreadPoolExecutor(4) as clients:
        return sum(clients.map(one, range(requests)))


def test_counts_are_exact_while_workers_are_recycled(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="2", GTE_MAX_REQUESTS="10")
    answered = send_until_answered(service, 80)
    metrics = service.metrics()
    assert answered == metrics[SUCCESSES]
    assert answered == metrics['gte_task_latency_seconds_count{task_type="embedding"}']
    assert metrics["gte_worker_restarts_total"] >= 4
    assert len(list(service.metrics_dir.glob("counter_[0-9].db"))) <= 4


def test_counts_go_on_when_a_worker_is_killed(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="2")
    answered = send_until_answered(service, 20)
    victim = holders(service)[0].pid
    os.kill(victim, signal.SIGKILL)
    wait_for(
        lambda: victim not in [holder.pid for holder in holders(service)] and len(holders(service)) == 2, "a new worker"
    )
    service.wait_until("ready")
    answered += send_until_answered(service, 20)
    metrics = service.metrics()
    assert metrics[SUCCESSES] == answered == 40
    assert metrics["gte_worker_restarts_total"] == 1
    assert metrics["gte_workers"] == 2


@pytest.mark.parametrize(
    ("workers", "torch_threads", "slots"),
    [("3", "256", 1), ("1", "1", 1), ("2", "1", min(2, len(os.sched_getaffinity(0))))],
)
def test_slots_are_what_the_cpus_carry_and_the_workers_fill(
    new_service: Callable[..., Service], workers: str, torch_threads: str, slots: int
) -> None:
    service = start_ready(new_service, GTE_WORKERS=workers, GTE_TORCH_THREADS=torch_threads)
    wait_for(
        lambda: [worker.state for worker in read_readiness(service.home / "run").workers] == ["ready"] * int(workers),
        "all workers",
    )
    assert service.metrics()["gte_inference_slots"] == slots
    permits = list((service.home / "run" / "compute-lock").glob("permit-*"))
    assert len(permits) == read_settings(service.environ).computations


def test_metrics_go_on_when_gunicorn_is_killed_and_it_comes_back(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="1")
    assert service.predict("embedding", "天气").status == 200
    master = parent(holders(service)[0].pid)
    assert service.process is not None
    # While the supervisor sleeps, the death of its child lasts long enough to be looked at.
    service.process.send_signal(signal.SIGSTOP)
    try:
        os.kill(master, signal.SIGKILL)
        wait_for(lambda: service.metrics()["gte_workers"] == 0, "the dead server shows")
        assert service.metrics()["gte_server_up"] == 0
        assert service.metrics()["gte_model_ready"] == 0
        assert service.metrics()["gte_inference_slots"] == 0
        assert service.metrics()[SUCCESSES] == 1
    finally:
        service.process.send_signal(signal.SIGCONT)
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200
    assert service.metrics()[SUCCESSES] == 2


def test_a_hung_server_does_not_hang_the_metrics(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="1")
    worker = holders(service)[0].pid
    os.kill(worker, signal.SIGSTOP)
    try:
        assert service.metrics()["gte_workers"] == 1
        assert service.metrics()["gte_server_up"] == 0
        with pytest.raises(TimeoutError):
            http_get(service.port, "/healthz", timeout=1)
    finally:
        os.kill(worker, signal.SIGCONT)


def http_get(port: int, path: str, timeout: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_stop_waits_for_the_requests_in_flight(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="1", **LARGE)
    texts = ["一段比较长的文字用来让计算持续一会儿" * 3] * 6000
    answers: list[int] = []
    client = threading.Thread(target=lambda: answers.append(service.predict("embedding", texts).status))
    client.start()
    wait_for(lambda: service.metrics()['gte_active_requests{task_type="embedding"}'] == 1, "the request is in flight")
    assert service.stop() == 0
    client.join(60)
    assert answers == [200]


def test_a_stop_resets_no_client_that_has_connected(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="2")
    body = json.dumps({"task_type": "embedding", "input_text": "停止的时候，已经连上的客户端也要得到回答。" * 20})
    outcomes: list[int | str] = []

    def client() -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            try:
                connection.request("POST", "/predict", body.encode(), JSON | {"Connection": "close"})
                outcomes.append(connection.getresponse().status)
            except (OSError, http.client.HTTPException) as error:
                outcomes.append(repr(error))
            finally:
                connection.close()

    clients = [threading.Thread(target=client) for _ in range(16)]
    for one in clients:
        one.start()
    wait_for(lambda: len(outcomes) > 50, "traffic")
    assert service.stop() == 0
    for one in clients:
        one.join(60)
    assert set(outcomes) == {200}, {outcome: outcomes.count(outcome) for outcome in outcomes}


def test_a_reload_replaces_the_workers_and_fails_no_request(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="2")
    before = {holder.pid for holder in holders(service)}
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    answered = 0
    sent = 0
    while before & {holder.pid for holder in holders(service)}:
        answered += service.predict("embedding", "天气").status == 200
        sent += 1
    wait_for(lambda: len(holders(service)) == 2, "two new workers")
    assert answered == sent > 0
    assert service.metrics()[SUCCESSES] == answered
    assert service.metrics()["gte_worker_restarts_total"] == 2
    named = {name for name in service.metrics() if name.startswith("gte_process_open_fds")}
    workers = {f"worker-{holder.slot}" for holder in holders(service)}
    assert named == {
        f'gte_process_open_fds{{process="{name}"}}' for name in workers | {"master", "exporter", "supervisor"}
    }


def test_a_missing_model_folder_is_a_state_and_the_folder_is_taken_once_it_is_there(
    new_service: Callable[..., Service], lexical_source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    service = new_service(GTE_MODEL_DIR=str(folder))
    readiness = service.wait_until("failed")
    assert f"{folder} does not exist" in readiness["detail"]
    ready, description = check(read_settings({"GTE_LISTEN_PORT": str(service.port)}))
    assert (ready, "does not exist" in description) == (False, True)
    assert "Traceback" not in service.log.read_text()
    folder.symlink_to(lexical_source)
    service.wait_until("ready")
    assert service.predict("embedding", "天气").json["model"] == str(folder)
    assert check(read_settings({"GTE_LISTEN_PORT": str(service.port)}))[0]


def test_the_state_at_this_moment_is_told_without_waiting(
    new_service: Callable[..., Service], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens at first, and the model never comes."""
    monkeypatch.setenv("GTE_LISTEN_PORT", "9")
    began = time.monotonic()
    assert main(["health", "--now"]) == 1
    assert "http://127.0.0.1:9/readyz does not answer: " in capsys.readouterr().out
    service = new_service(GTE_MODEL="org/none", MODELSCOPE_ENDPOINT="http://127.0.0.1:9")
    service.wait_until("retrying")
    monkeypatch.setenv("GTE_LISTEN_PORT", str(service.port))
    assert main(["health", "--now"]) == 1
    assert capsys.readouterr().out.startswith("retrying: ")
    assert time.monotonic() - began < UNREACHABLE_SECONDS


def test_a_local_folder_makes_no_network_call(new_service: Callable[..., Service], lexical_source: Path) -> None:
    # Nothing listens there: whoever asks ModelScope fails.
    service = new_service(GTE_MODEL_DIR=str(lexical_source), MODELSCOPE_ENDPOINT="http://127.0.0.1:9")
    service.wait_until("ready")
    assert "127.0.0.1:9" not in service.log.read_text()


def test_an_exporter_whose_port_is_taken_logs_one_line_and_tries_again(service: Service, tmp_path: Path) -> None:
    environ = {"GTE_METRICS_DIR": str(tmp_path), "GTE_METRICS_LISTEN_PORT": str(service.metrics_port)}
    log = tmp_path / "log"
    with log.open("wb") as file:
        exporter = subprocess.Popen(
            [sys.executable, "-m", "gte_service", "exporter"], env=dict(os.environ) | environ, stderr=file
        )
    try:
        wait_for(log.read_text, "the line")
        # It tries every second.
        with pytest.raises(subprocess.TimeoutExpired):
            exporter.wait(2.5)
    finally:
        exporter.terminate()
        exporter.wait(20)
    (line,) = log.read_text().splitlines()
    assert f"0.0.0.0:{service.metrics_port} for /metrics can't be opened" in line


def test_a_deadline_is_kept_and_counted(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="1", GTE_DEADLINE_SECONDS="1", **LARGE)
    answer = service.predict("embedding", ["一段比较长的文字用来让计算持续一会儿" * 3] * 9000)
    assert (answer.status, answer.json["error"]["code"]) == (504, "deadline"), answer.text
    metrics = service.metrics()
    assert metrics['gte_task_errors_total{reason="deadline",task_type="embedding"}'] == 1
    assert metrics['gte_task_requests_total{status="error",task_type="embedding"}'] == 1
    # What was dropped costs nothing: the next request is answered at once.
    assert service.predict("embedding", "天气").json["elapsed_ms"] < 500


def test_a_full_queue_refuses_at_once(new_service: Callable[..., Service]) -> None:
    service = start_ready(new_service, GTE_WORKERS="1", GTE_QUEUE_TEXTS="10", **LARGE)
    answers: list[int] = []
    texts = ["一段比较长的文字用来让计算持续一会儿" * 3] * 6000
    client = threading.Thread(target=lambda: answers.append(service.predict("embedding", texts).status))
    client.start()
    wait_for(lambda: service.metrics()["gte_queue_depth"] > 10, "the queue is full")
    refused = service.predict("embedding", "天气")
    assert (refused.status, refused.json["error"]["code"]) == (503, "overloaded"), refused.text
    assert int(refused.headers["Retry-After"]) > 0
    client.join(60)
    assert answers == [200]
    metrics = service.metrics()
    assert metrics["gte_queue_depth"] == 0
    assert metrics["gte_batch_texts_sum"] >= 6000
    assert metrics["gte_batch_tokens_sum"] / metrics["gte_batch_tokens_count"] <= 512


def test_many_clients_with_one_text_each_fill_the_queue_and_probes_still_answer(
    new_service: Callable[..., Service],
) -> None:
    service = start_ready(new_service, GTE_WORKERS="1", GTE_QUEUE_TEXTS="8", GTE_BATCH_TOKENS="1")
    text = "一段比较长的文字用来让计算持续一会儿" * 30
    with ThreadPoolExecutor(64) as clients:
        answers = list(clients.map(lambda _: service.predict("embedding", text).status, range(256)))
        assert set(answers) == {200, 503}, {status: answers.count(status) for status in answers}
        again = [clients.submit(service.predict, "embedding", text) for _ in range(64)]
        assert http_get(service.port, "/healthz", timeout=5) == 200
        assert {one.result().status for one in again} <= {200, 503}
    metrics = service.metrics()
    refused = metrics['gte_task_errors_total{reason="overloaded",task_type="embedding"}']
    assert metrics[SUCCESSES] + refused == 256 + 64


def test_a_worker_whose_model_hangs_answers_and_is_replaced(new_service: Callable[..., Service]) -> None:
    # One computation of a million tokens takes longer than the second after which it counts as hung.
    service = start_ready(
        new_service,
        GTE_WORKERS="1",
        GTE_HANG_SECONDS="1",
        GTE_BATCH_TOKENS="1000000",
        **LARGE,
    )
    before = holders(service)[0].pid
    answer = service.predict("embedding", ["一段比较长的文字用来让计算持续一会儿" * 3] * 16000)
    assert (answer.status, answer.json["error"]["code"]) == (500, "internal"), answer.text
    assert "hung" in answer.json["error"]["message"]
    wait_for(lambda: [holder.pid for holder in holders(service)] not in ([], [before]), "a new worker")
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200
    metrics = service.metrics()
    assert metrics["gte_worker_restarts_total"] == 1
    assert metrics['gte_task_errors_total{reason="internal",task_type="embedding"}'] == 1
