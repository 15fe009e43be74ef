"""A worker's values are in its files at once, in the library's own format, and follow it through a fork."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from gte_monitoring.exposition.metric_files import DamagedFileError, MetricFileReader
from gte_monitoring.recording.mapped_values import MappedFile, MappedValue, SlotFiles

NewValue = Callable[..., MappedValue]


@pytest.fixture
def new_value(tmp_path: Path) -> NewValue:
    """Makes values in a folder of the test's own, in files named after the process."""

    class Value(MappedValue):
        files = SlotFiles(lambda kind: tmp_path / f"{kind}_{os.getpid()}.db")

    def new(name: str = "one", kind: str = "counter", **mode: str) -> MappedValue:
        return Value(kind, name, f"{name}_total", ["task"], ["qa"], "Some help.", **mode)

    return new


def read(path: Path) -> dict[str, float]:
    return {key.family: value for key, value in MetricFileReader().read(path).items()}


@pytest.mark.parametrize("length", range(1, 18))
def test_the_library_reads_what_is_stored(tmp_path: Path, new_value: NewValue, length: int) -> None:
    new_value("n" * length).inc(2.5)
    new_value("other").inc(1)
    library = MmapedDict(str(tmp_path / f"counter_{os.getpid()}.db"), read_mode=True)  # type: ignore[no-untyped-call]
    name = "n" * length
    key = mmap_key(name, f"{name}_total", ["task"], ["qa"], "Some help.")
    assert {key: value for key, value, _ in library.read_all_values()}[key] == 2.5  # type: ignore[no-untyped-call]
    library.close()  # type: ignore[no-untyped-call]


def test_what_the_library_wrote_is_gone_on_with(tmp_path: Path, new_value: NewValue) -> None:
    path = tmp_path / f"counter_{os.getpid()}.db"
    library = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    library.write_value(mmap_key("zero", "zero_total", [], [], "Some help."), 7.0, 0.0)  # type: ignore[no-untyped-call]
    library.write_value(mmap_key("one", "one_total", ["task"], ["qa"], "Some help."), 3.0, 0.0)  # type: ignore[no-untyped-call]
    library.close()  # type: ignore[no-untyped-call]
    value = new_value()
    value.inc(1)
    assert value.get() == 4.0
    assert read(path) == {"zero": 7.0, "one": 4.0}


def test_two_of_the_same_name_are_one(tmp_path: Path, new_value: NewValue) -> None:
    new_value().inc(1)
    new_value().inc(2)
    assert read(tmp_path / f"counter_{os.getpid()}.db") == {"one": 3.0}


def test_a_gauge_has_a_file_for_its_mode_and_keeps_its_time(tmp_path: Path, new_value: NewValue) -> None:
    value = new_value(kind="gauge", multiprocess_mode="mostrecent")
    value.set(3, timestamp=12.5)
    path = tmp_path / f"gauge_mostrecent_{os.getpid()}.db"
    assert [(value, time) for _, value, time, _ in MmapedDict.read_all_values_from_file(str(path))] == [(3.0, 12.5)]  # type: ignore[no-untyped-call]
    value.set(4)
    assert [(value, time) for _, value, time, _ in MmapedDict.read_all_values_from_file(str(path))] == [(4.0, 0.0)]  # type: ignore[no-untyped-call]


def test_a_forked_process_counts_in_its_own_files(tmp_path: Path, new_value: NewValue) -> None:
    inherited, also = new_value("inherited"), new_value("also")
    inherited.inc(1)
    child = os.fork()
    if not child:
        inherited.inc(5)
        new_value("new").inc(7)
        os._exit(0 if (inherited.get(), also.get()) == (5.0, 0.0) else 1)
    assert os.waitpid(child, 0)[1] == 0
    inherited.inc(1)
    assert read(tmp_path / f"counter_{os.getpid()}.db") == {"inherited": 2.0, "also": 0.0}
    assert read(tmp_path / f"counter_{child}.db") == {"inherited": 5.0, "also": 0.0, "new": 7.0}


def test_a_forked_process_can_count_while_a_thread_of_its_parent_did(tmp_path: Path, new_value: NewValue) -> None:
    value = new_value()
    with value.files.lock:
        child = os.fork()
        if not child:
            # Rather dead than waiting for ever.
            signal.alarm(10)
            value.inc(1)
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert read(tmp_path / f"counter_{child}.db") == {"one": 1.0}


def test_values_stay_where_they_are_when_the_file_grows(tmp_path: Path, new_value: NewValue) -> None:
    first = new_value("first")
    first.inc(1)
    many = [new_value(f"a_name_of_some_length_{number:06}") for number in range(3000)]
    first.inc(1)
    many[-1].inc(3)
    path = tmp_path / f"counter_{os.getpid()}.db"
    assert path.stat().st_size == 2 << 18
    found = read(path)
    assert (len(found), found["first"], found["a_name_of_some_length_002999"]) == (3001, 2.0, 3.0)


def test_a_disk_without_space_for_more_is_an_error_and_ends_nobody(small_disk: Path) -> None:
    folder = small_disk / "values"
    folder.mkdir()
    file = MappedFile(folder / "counter_0.db")
    numbers, position = file.place("first")
    try:
        with pytest.raises(OSError, match="No space"):
            for number in range(1 << 17):
                file.place(f"a name of some length {number:09}")
        numbers[position] += 1
        assert file.place("first")[0][position] == 1.0
    finally:
        file.close()
        (folder / "counter_0.db").unlink()
        folder.rmdir()


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_that_is_too_short_to_hold_anything_is_made_anew(tmp_path: Path, new_value: NewValue, size: int) -> None:
    path = tmp_path / f"counter_{os.getpid()}.db"
    path.write_bytes(b"\xff" * size)
    new_value().inc(1)
    assert read(path) == {"one": 1.0}


def test_a_damaged_file_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    MappedFile(path).close()
    with path.open("r+b") as file:
        file.write((64).to_bytes(4, "little"))
    with pytest.raises(DamagedFileError):
        MappedFile(path)
