"""The exporter's process: it ends in order, is alone in its folder, and forgets no counts when it is started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from conftest import free_port, wait_for
from gte_monitoring.exposition.slot_collector import SlotCollector
from gte_monitoring.recording.metric_files import read_metric_file, set_aside

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts exporters of one folder, each on the port that is given."""
    started: list[subprocess.Popen[bytes]] = []

    def new(port: int, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gte_monitoring", str(tmp_path), "127.0.0.1", str(port), *options]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield new
    for process in started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return b"gte_workers" in answer.read()
    except OSError:
        return False


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\n"], ids=["silent", "begun"])
def test_clients_that_pause_hold_no_thread_and_delay_no_scrape(start: Start, sent: bytes) -> None:
    port = free_port()
    exporter = start(port)
    wait_for(lambda: answers(port), "the metrics")
    with ExitStack() as connections:
        for _ in range(1000):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            connection.sendall(sent)
        for _ in range(5):
            begun = time.monotonic()
            assert answers(port)
            assert time.monotonic() - begun < 1
        assert len(list(Path(f"/proc/{exporter.pid}/task").iterdir())) < 20
        exporter.terminate()
        assert exporter.wait(5) == 0


def test_clients_that_take_no_answer_delay_no_scrape(start: Start) -> None:
    port = free_port()
    start(port)
    wait_for(lambda: answers(port), "the metrics")
    with ExitStack() as connections:
        for _ in range(100):
            connection = connections.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_for(lambda: answers(port), "those that come later")


def test_headers_have_one_deadline_however_slowly_they_come(start: Start) -> None:
    port = free_port()
    start(port)
    wait_for(lambda: answers(port), "the metrics")
    with socket.create_connection(("127.0.0.1", port), timeout=0.2) as connection:
        begun = time.monotonic()
        connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        while True:
            try:
                with suppress(BrokenPipeError):
                    connection.sendall(b"x")
                assert connection.recv(1) == b""
                break
            except TimeoutError:
                assert time.monotonic() - begun < 10
            except ConnectionResetError:
                break


def write(path: Path, value: float, name: str = "one") -> None:
    file = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    file.write_value(mmap_key(name, f"{name}_total", [], [], "Help."), value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]


def total(folder: Path, name: str = "one") -> float:
    """What a new exporter of the folder shows."""
    collector = SlotCollector(folder, alone=True)
    return sum(sample.value for family in collector.collect() if family.name == name for sample in family.samples)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start: Start, number: signal.Signals) -> None:
    port = free_port()
    exporter = start(port)
    wait_for(lambda: answers(port), "the metrics")
    exporter.send_signal(number)
    assert exporter.wait(20) == 0


def test_a_signal_ends_one_that_waits_for_the_folder(start: Start) -> None:
    port = free_port()
    first = start(port)
    wait_for(lambda: answers(port), "the metrics")
    waiting = start(port, "--wait")
    wait_for(lambda: has_open(waiting.pid, "exporter.lock"), "one that waits")
    waiting.terminate()
    assert waiting.wait(20) == 0
    assert first.poll() is None


def test_a_signal_ends_one_that_waits_for_its_port(start: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        exporter = start(taken.getsockname()[1])
        wait_for(lambda: holder(tmp_path) == exporter.pid, "the folder's lock")
        exporter.terminate()
        assert exporter.wait(20) == 0


def holder(folder: Path) -> int:
    lock = folder / "exporter.lock"
    return int(lock.read_text() or 0) if lock.exists() else 0


def has_open(pid: int, name: str) -> bool:
    with suppress(OSError):
        return any(path.readlink().name == name for path in Path(f"/proc/{pid}/fd").iterdir())
    return False


def test_a_later_one_ends_an_earlier_one_even_if_that_hangs(start: Start) -> None:
    ports = free_port(), free_port()
    hanging = start(ports[0])
    wait_for(lambda: answers(ports[0]), "the metrics")
    hanging.send_signal(signal.SIGSTOP)
    start(ports[1])
    wait_for(lambda: answers(ports[1]), "the later one's metrics")
    # It shows nothing before it is alone, or both would carry on what a damaged file had held.
    assert hanging.wait(20) == -signal.SIGKILL


def test_the_counts_of_a_file_that_is_damaged_while_no_exporter_runs_stay(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    write(path, 7.0)
    write(tmp_path / "counter_1.db", 1.0)
    assert total(tmp_path) == 8.0
    path.write_bytes(b"\xff" * 4096)
    assert total(tmp_path) == total(tmp_path) == 8.0


def test_the_counts_of_a_file_that_a_starting_worker_set_aside_stay(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    write(path, 7.0)
    assert total(tmp_path) == 7.0
    set_aside(path)
    # More than there was before, so that only the file itself tells that it is another.
    write(path, 9.0)
    assert total(tmp_path) == total(tmp_path) == 16.0


def test_the_counts_of_a_file_that_was_emptied_stay(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    write(path, 7.0)
    assert total(tmp_path) == 7.0
    os.truncate(path, 0)
    assert total(tmp_path) == 7.0
    write(path, 1.0)
    assert total(tmp_path) == 8.0


def test_a_file_that_a_crash_of_the_machine_rolled_back_is_not_counted_twice(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    write(path, 7.0)
    assert total(tmp_path) == 7.0
    write(path, 5.0)
    assert total(tmp_path) == 5.0


def test_what_was_carried_on_can_be_lost_and_is_carried_on_again(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    write(path, 7.0)
    assert total(tmp_path) == 7.0
    path.unlink()
    assert total(tmp_path) == total(tmp_path) == 7.0
    (carried,) = tmp_path.glob("counter_carried-*.db")
    assert {series.sample: value for series, value in read_metric_file(carried).values.items()} == {"one_total": 7.0}
    carried.write_bytes(b"\xff" * 64)
    assert total(tmp_path) == 7.0


def test_a_damaged_copy_is_removed_and_the_file_itself_counts(tmp_path: Path) -> None:
    write(tmp_path / "counter_0.db", 7.0)
    assert total(tmp_path) == 7.0
    (copy,) = tmp_path.glob("*.seen")
    copy.write_bytes(b"\xff" * 64)
    assert total(tmp_path) == total(tmp_path) == 7.0


def test_an_app_that_shows_its_own_metrics_keeps_no_copies(tmp_path: Path) -> None:
    write(tmp_path / "counter_0.db", 7.0)
    list(SlotCollector(tmp_path, alone=False).collect())
    assert not list(tmp_path.glob("*.seen"))
