"""The service asks itself a real question of each task, shows how that went, and counts none of it as traffic."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import Service, free_port, wait_for
from gte_monitoring.processes.procfs import start_time
from gte_monitoring.processes.slots import read_holders
from gte_service.contract import TASK_TYPES
from gte_service.probe_secret import HEADER, is_secret, make_secret, read_secret
from gte_service.serving import prober
from gte_service.serving.prober import Prober
from gte_service.serving.questions import write_questions
from gte_service.serving.status import ModelStatus, WorkerStatus, write_model_status, write_worker_status

KEY = "the-only-key-0123456789"
# Counted for each request that is measured.
TRAFFIC = (
    "gte_task_requests_total", "gte_task_errors_total", "gte_task_latency_seconds", "gte_active_requests",
    "gte_phase_seconds", "gte_task_phase_seconds_total", "gte_input_tokens_total", "gte_truncated_inputs_total",
    'flask_http_request_total{method="POST"', 'flask_http_request_duration_seconds_count{method="POST"',
)  # fmt: skip


def successes(service: Service) -> dict[str, float]:
    """gte_probe_success by task."""
    return {
        name.split('"')[1]: value
        for name, value in service.metrics().items()
        if name.startswith("gte_probe_success{")
    }  # fmt: skip


def wait_for_all(service: Service, success: float) -> None:
    wait_for(lambda: successes(service) == dict.fromkeys(TASK_TYPES, success), f"each task at {success:g}", seconds=40)


def traffic(service: Service) -> dict[str, float]:
    return {name: value for name, value in service.metrics().items() if value and name.startswith(TRAFFIC)}


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that requires a key and asks itself each second; nobody else sends it a task before the tests do."""
    home = tmp_path_factory.mktemp("asking")
    (home / "keys").write_text(KEY)
    environ = {"GTE_WORKERS": "2", "GTE_API_KEYS_FILE": str(home / "keys"), "GTE_PROBE_SECONDS": "1"}
    running = Service(home, environ)
    running.start()
    running.wait_until("ready")
    yield running
    secret = read_secret(home / "run")
    assert secret
    assert secret not in running.log.read_text()
    assert running.stop() == 0


def test_every_task_is_asked_through_the_model_and_nothing_is_counted_or_logged(asking: Service) -> None:
    wait_for_all(asking, 1)
    computed = asking.metrics()["gte_batch_texts_sum"]
    wait_for(lambda: asking.metrics()["gte_batch_texts_sum"] > computed + 3 * len(TASK_TYPES), "three more rounds")
    assert traffic(asking) == {}
    assert '"path": "/predict"' not in asking.log.read_text()
    seconds = {name: value for name, value in asking.metrics().items() if name.startswith("gte_probe_seconds{")}
    assert len(seconds) == len(TASK_TYPES)
    assert all(0 < value < 10 for value in seconds.values())


@pytest.mark.parametrize("sent", ["", "0" * 64, "é" * 64, KEY, "probe"])
def test_no_client_passes_as_the_service_itself(asking: Service, sent: str) -> None:
    name = 'gte_task_errors_total{reason="unauthorized",task_type="unknown"}'
    before = asking.metrics()[name]
    headers = {HEADER: sent.encode().decode("latin-1")}
    body = {"task_type": "embedding", "input_text": "天气"}
    assert asking.ask("/predict", body, headers=headers).status == 401
    assert asking.metrics()[name] == before + 1


def test_the_secret_is_known_to_the_service_alone_and_new_at_each_start(tmp_path: Path) -> None:
    made: set[str] = set()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        make_secret(tmp_path / name)
        (file,) = (tmp_path / name).iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        made.add(read_secret(tmp_path / name))
    assert len(made) == 2
    assert all(len(secret) == 64 for secret in made)
    secret = made.pop()
    assert is_secret(secret, secret)
    assert not any(is_secret(sent, secret) for sent in ("", secret[:-1], secret + "0", "é"))
    # Where there is none, the empty header that every client can send is not it.
    assert not is_secret(read_secret(tmp_path), read_secret(tmp_path))


def test_no_task_fails_while_workers_are_reloaded(asking: Service) -> None:
    wait_for_all(asking, 1)
    before = {holder.pid for holder in read_holders(asking.metrics_dir) if holder.alive}
    assert asking.process is not None
    asking.process.send_signal(signal.SIGHUP)
    while before & {holder.pid for holder in read_holders(asking.metrics_dir) if holder.alive}:
        assert set(successes(asking).values()) == {1}
    wait_for(lambda: len([holder for holder in read_holders(asking.metrics_dir) if holder.alive]) == 2, "new workers")
    assert set(successes(asking).values()) == {1}


def test_a_server_that_hangs_fails_every_task_until_it_goes_on(asking: Service) -> None:
    wait_for_all(asking, 1)
    workers = [holder.pid for holder in read_holders(asking.metrics_dir) if holder.alive]
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        wait_for_all(asking, 0)
        metrics = asking.metrics()
        assert all(metrics[f'gte_probe_seconds{{task_type="{task}"}}'] >= 9 for task in TASK_TYPES)
        # One question a task waits, not one a second.
        assert metrics['gte_backlog_connections{queue="accept"}'] <= 3 * len(TASK_TYPES)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
    wait_for_all(asking, 1)
    complaints = [line for line in asking.log.read_text().splitlines() if "own question for the task ner:" in line]
    assert len(complaints) == 1


def test_the_exporter_ends_at_once_while_its_questions_wait(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_PROBE_SECONDS="1")
    service.wait_until("ready")
    wait_for_all(service, 1)
    (worker,) = [holder.pid for holder in read_holders(service.metrics_dir) if holder.alive]
    os.kill(worker, signal.SIGSTOP)
    time_of = 'gte_process_start_time_seconds{process="exporter"}'
    begun = service.metrics()[time_of]
    exporter = int((service.metrics_dir / "exporter.lock").read_text())
    accepting = 'gte_backlog_connections{queue="accept"}'
    wait_for(lambda: service.metrics()[accepting] == len(TASK_TYPES), "a question of each task that waits")
    told = time.monotonic()
    os.kill(exporter, signal.SIGTERM)
    wait_for(lambda: not Path(f"/proc/{exporter}").exists(), "the end of the exporter", seconds=8)
    assert time.monotonic() - told < 8
    assert "exporter ended with status 0" in service.log.read_text()
    os.kill(worker, signal.SIGCONT)

    def another() -> bool:
        try:
            return service.metrics()[time_of] > begun
        except OSError:
            return False

    wait_for(another, "another exporter")
    wait_for_all(service, 1)


def test_before_the_model_is_ready_nothing_is_asked_and_nothing_shown(
    new_service: Callable[..., Service], lexical_source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    service = new_service(GTE_WORKERS="1", GTE_PROBE_SECONDS="1", GTE_MODEL_DIR=str(folder))
    service.wait_until("failed")
    # Two questions of each task would have been asked.
    time.sleep(2.5)
    assert successes(service) == {}
    assert "own question" not in service.log.read_text()
    folder.symlink_to(lexical_source)
    service.wait_until("ready")
    wait_for_all(service, 1)


class FakeService:
    """Answers POST /predict with the body that a test names, after blanks in drops until `whole` is set."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.whole = threading.Event()
        self.whole.set()
        self.asked: list[tuple[str, str | None, object]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fake.asked.append((self.path, self.headers[HEADER], json.loads(body)))
                # Without a length: the answer ends with the connection.
                self.send_response(fake.status)
                self.end_headers()
                with suppress(OSError):
                    while not fake.whole.wait(0.1):
                        self.wfile.write(b" ")
                    self.wfile.write(fake.body)

            def log_message(self, *_: object) -> None:
                """Keep the output of the tests clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fake() -> Iterator[FakeService]:
    service = FakeService()
    yield service
    service.whole.set()
    service.close()


@pytest.fixture
def ask_at(tmp_path: Path) -> Iterator[Callable[[int], Prober]]:
    """Starts a prober of one task of a service that says it is ready, at a port."""
    write_model_status(tmp_path, ModelStatus("a model", demo=False, state="prepared"))
    write_worker_status(tmp_path, 0, WorkerStatus(os.getpid(), start_time(os.getpid()), "ready"))
    write_questions(tmp_path, {"qa": {"task_type": "qa", "input_text": "张三"}})
    started: list[Prober] = []

    def start(port: int) -> Prober:
        started.append(Prober(tmp_path, port, "the secret", 0.05, ["qa"]))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "probe-qa"], "its end")


def shown(of: Prober) -> dict[str, float]:
    return {sample.name: sample.value for family in of.collect() for sample in family.samples}


def test_a_question_is_the_tasks_own_and_carries_the_secret(fake: FakeService, ask_at: Callable[[int], Prober]) -> None:
    fake.body = b'{"result": {"found": false}}'
    asking = ask_at(fake.port)
    wait_for(lambda: shown(asking).get("gte_probe_success") == 1, "a success")
    assert fake.asked[0] == ("/predict", "the secret", {"task_type": "qa", "input_text": "张三"})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((503, b'{"error": {"code": "overloaded"}}' + b" " * 1000 + b"."), "status 503"),
        ((302, b'{"result": 1}'), "status 302"),
        ((201, b'{"result": 1}'), "status 201"),
        ((200, b'{"answer": "' + b"x" * 1000 + b'"}'), "no result"),
        ((200, b'{"result": null}'), "no result"),
        ((200, b"[1]"), "no result"),
        ((200, b"hello"), "JSONDecodeError"),
        ((200, b"[" * 100_000), "RecursionError"),
        ((200, b""), "JSONDecodeError"),
        ((200, b'{"result": "' + b"x" * (2 << 20) + b'"}'), "JSONDecodeError"),
    ],
)
def test_anything_but_a_result_is_a_failure_and_said_once(
    fake: FakeService,
    ask_at: Callable[[int], Prober],
    caplog: pytest.LogCaptureFixture,
    answer: tuple[int, bytes],
    problem: str,
) -> None:
    fake.status, fake.body = answer
    asking = ask_at(fake.port)
    wait_for(lambda: len(fake.asked) >= 3, "three questions")
    assert shown(asking)["gte_probe_success"] == 0
    (complaint,) = [record.getMessage() for record in caplog.records]
    assert problem in complaint
    assert len(complaint) < 400


def test_a_refused_connection_is_a_failure(ask_at: Callable[[int], Prober]) -> None:
    asking = ask_at(free_port())
    wait_for(lambda: shown(asking).get("gte_probe_success") == 0, "a failure")


def test_an_answer_that_arrives_in_drops_is_overdue_before_it_ends(
    fake: FakeService,
    ask_at: Callable[[int], Prober],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(prober, "DEADLINE_SECONDS", 0.5)
    fake.body = b'{"result": 1}'
    fake.whole.clear()
    asking = ask_at(fake.port)
    wait_for(lambda: shown(asking), "the question to be overdue")
    assert shown(asking)["gte_probe_success"] == 0
    assert shown(asking)["gte_probe_seconds"] > 0.5
    assert len(fake.asked) == 1
    # Late is late, although there is a result; the next answer is in time.
    fake.whole.set()
    wait_for(lambda: shown(asking)["gte_probe_success"] == 1, "an answer in time")
    complaints = [record.getMessage() for record in caplog.records if "the answer came after" in record.getMessage()]
    assert len(complaints) == 1
