"""What breaks when a private part of prometheus_client or gunicorn that the package uses is gone or changed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client import Metric, mmap_dict, values
from prometheus_client.multiprocess import MultiProcessCollector

from gte_monitoring.private_parts import HEARTBEAT_FILE, accumulated, call_every_second, entries, worker_class_name
from gte_monitoring.recording.metric_files import read_metric_file

ARBITER, CONFIG, HEARTBEAT = map(import_module, ("gunicorn.arbiter", "gunicorn.config", "gunicorn.workers.workertmp"))
# What its absence breaks, and what is used.
PARTS = {
    "no worker would write under its slot": (values, "ValueClass"),
    "no value would be written to a file": (values, "MultiProcessValue"),
    "files would grow without reserved disk space: a full disk would end workers": (values, "MmapedDict"),
    "no new series would be given its place in reserved space": (mmap_dict.MmapedDict, "_init_value"),
    "no file could be read": (mmap_dict, "_read_all_values"),
    "no entry of a file could be named": (mmap_dict, "mmap_key"),
    "no bucket would hold the smaller ones": (MultiProcessCollector, "_accumulate_metrics"),
    "no exporter that has ended would be started again": (ARBITER.Arbiter, "manage_workers"),
    "no sync worker would be given the server's timeout as patience": (CONFIG.Config, "worker_class_str"),
    "no worker's heartbeat would be found": (HEARTBEAT.WorkerTmp, "notify"),
}
# A program whose values go to a folder under a slot.
PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
from gte_monitoring.recording.slot_setup import join_metrics
folder = Path(sys.argv[1])
join_metrics(folder)
from prometheus_client import CollectorRegistry, Counter
def counter(name="one"):
    return Counter(name, "Some help.", ["task"], registry=CollectorRegistry())
"""


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(program), str(folder)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def read(path: Path) -> dict[str, float]:
    return {series.family: value for series, value in read_metric_file(path).values.items()}


@pytest.mark.parametrize("consequence", PARTS)
def test_a_private_part_is_there_or_else(consequence: str) -> None:
    owner, name = PARTS[consequence]
    assert hasattr(owner, name), consequence


def test_the_libraries_are_of_the_versions_whose_private_parts_are_known() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    wanted = " ".join([*project["dependencies"], *project["optional-dependencies"]["gunicorn"]])
    assert "prometheus-client>=0.26,<0.27" in wanted
    assert "gunicorn>=27,<28" in wanted
    assert version("prometheus-client").startswith("0.26.")
    assert version("gunicorn").startswith("27.")


def test_values_go_to_the_file_of_the_slot_as_the_library_reads_them(tmp_path: Path) -> None:
    done = run(tmp_path, "counter().labels('qa').inc(2.5)")
    assert done.returncode == 0, done.stderr
    found = mmap_dict.MmapedDict.read_all_values_from_file(str(tmp_path / "counter_0.db"))  # type: ignore[no-untyped-call]
    key = mmap_dict.mmap_key("one", "one_total", ["task"], ["qa"], "Some help.")
    assert {key: value for key, value, _, _ in found}[key] == 2.5
    assert read(tmp_path / "counter_0.db") == {"one": 2.5}


def test_two_metric_objects_of_one_name_count_together(tmp_path: Path) -> None:
    done = run(tmp_path, "first, second = counter().labels('qa'), counter().labels('qa'); first.inc(1); second.inc(2)")
    assert (done.returncode, read(tmp_path / "counter_0.db")) == (0, {"one": 3.0}), done.stderr


def test_a_forked_process_counts_in_its_own_files_even_if_a_thread_of_its_parent_was_counting(tmp_path: Path) -> None:
    done = run(tmp_path, """
        inherited = counter().labels("qa")
        inherited.inc(1)
        stop = threading.Event()
        def count():
            other = counter("other").labels("qa")
            while not stop.is_set():
                other.inc(0)
        threading.Thread(target=count).start()
        for _ in range(50):
            child = os.fork()
            if not child:
                # Rather dead than waiting for ever.
                signal.alarm(10)
                inherited.inc(5)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        inherited.inc(1)
        stop.set()
    """)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "counter_0.db")["one"] == 2.0
    assert read(tmp_path / "counter_1.db")["one"] == 250.0


def test_a_file_that_grows_keeps_its_values_and_reserves_its_disk_space(tmp_path: Path) -> None:
    done = run(tmp_path, """
        first = counter("first").labels("qa")
        first.inc(1)
        many = [counter(f"a_name_of_some_length_{number:06}").labels("qa") for number in range(3000)]
        first.inc(1)
        many[-1].inc(3)
    """)  # fmt: skip
    assert done.returncode == 0, done.stderr
    path = tmp_path / "counter_0.db"
    assert path.stat().st_blocks * 512 >= path.stat().st_size > 1 << 18
    found = read(path)
    assert (len(found), found["first"], found["a_name_of_some_length_002999"]) == (3001, 2.0, 3.0)


def test_a_disk_without_space_for_more_series_is_an_error_and_ends_nobody(small_disk: Path) -> None:
    folder = small_disk / "values"
    try:
        done = run(folder, """
            first = counter("first").labels("qa")
            try:
                for number in range(1 << 17):
                    counter(f"a_name_of_some_length_{number:09}").labels("qa").inc()
            except OSError as error:
                print(error.strerror)
            first.inc(2)
        """)  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "No space left on device\n"), done.stderr
        assert read(folder / "counter_0.db")["first"] == 2.0
    finally:
        for path in [*folder.iterdir()]:
            path.unlink()
        folder.rmdir()


def test_an_entry_that_makes_no_progress_is_an_error_and_not_an_endless_loop() -> None:
    data = bytearray(64)
    data[:4], data[8:12] = (64).to_bytes(4, "little"), (-28).to_bytes(4, "little", signed=True)
    with pytest.raises(ValueError, match="at byte 8"):
        list(entries(bytes(data)))


def test_buckets_of_files_are_added_up() -> None:
    family = Metric("steps", "Help.", "histogram")
    for le, value in (("1.0", 2.0), ("+Inf", 3.0)):
        family.add_sample("steps_bucket", (("le", le),), value)  # type: ignore[arg-type]
    (made,) = accumulated({"steps": family})
    assert [(sample.name, sample.value) for sample in made.samples] == [
        ("steps_bucket", 2.0), ("steps_bucket", 5.0), ("steps_count", 5.0),
    ]  # fmt: skip


class Server:
    """As much of gunicorn's master as is used."""

    cfg = CONFIG.Config()

    def manage_workers(self) -> None:
        self.managed = True


def test_gunicorns_master_calls_a_function_whenever_it_looks_after_its_workers() -> None:
    server = Server()
    called: list[bool] = []
    call_every_second(server, lambda: called.append(True))
    server.manage_workers()
    assert (server.managed, called) == (True, [True])
    assert worker_class_name(server) == "sync"


def test_a_workers_heartbeat_is_the_time_of_a_file_of_the_known_name() -> None:
    heartbeat = HEARTBEAT.WorkerTmp(Server.cfg)
    heartbeat.notify()
    assert HEARTBEAT_FILE in os.readlink(f"/proc/self/fd/{heartbeat.fileno()}")  # noqa: PTH115
    assert heartbeat.last_update() > 0
    heartbeat.close()
