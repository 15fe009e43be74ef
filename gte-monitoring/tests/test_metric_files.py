"""A metric file that is damaged, half written or lost breaks no scrape, and what it had counted is not lost."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from gte_monitoring.contract import GENERAL
from gte_monitoring.disk_space import reserve
from gte_monitoring.exposition.slot_collector import SlotCollector
from gte_monitoring.processes.worker_starts import read_worker_starts
from gte_monitoring.recording.metric_files import DamagedFileError, read_metric_file
from gte_monitoring.recording.recorder import MONITOR_PREFIX
from gte_monitoring.recording.request_series import LABELS, REQUESTS

FIRST_ENTRY = 8


def write(path: Path, **values: float) -> Path:
    """A metric file as prometheus_client writes it, with a counter for each value."""
    file = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        file.write_value(mmap_key(name, f"{name}_total", [], [], "Some help."), value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    return path


def overwrite(path: Path, position: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "counter_0.db", one=1.0, two=2.5)
    assert {key.sample: value for key, value in read_metric_file(path).values.items()} == {
        "one_total": 1.0,
        "two_total": 2.5,
    }
    write(path, one=4.0, three=3.0)
    assert {key.sample: value for key, value in read_metric_file(path).values.items()} == {
        "one_total": 4.0, "two_total": 2.5, "three_total": 3.0,
    }  # fmt: skip


def test_a_file_is_parsed_again_only_when_a_byte_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "counter_0.db", one=1.0)
    first = read_metric_file(path)
    assert read_metric_file(path, first) is first
    write(path, one=2.0)
    assert list(read_metric_file(path, first).values.values()) == [2.0]
    another = write(tmp_path / "another.db", one=1.0).rename(path)
    assert read_metric_file(path, first).inode == another.stat().st_ino != first.inode


@pytest.mark.parametrize("entries", [0, 1, 7, 8, 9, 15, 16, 17])
def test_names_of_any_length_are_read(tmp_path: Path, entries: int) -> None:
    names = {"n" * length: float(length) for length in range(1, 2 + entries)}
    path = write(tmp_path / "counter_0.db", **names)
    assert {key.family: value for key, value in read_metric_file(path).values.items()} == names


def test_a_series_goes_on_when_a_new_version_says_its_help_text_in_other_words(tmp_path: Path) -> None:
    path = write(tmp_path / "counter_0.db", one=3.0)
    file = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    file.write_value(mmap_key("one", "one_total", [], [], "Other words."), 2.0, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    assert samples(SlotCollector(tmp_path, alone=True)) == {"one_total": 5.0}


def test_the_help_text_is_that_of_this_version(tmp_path: Path) -> None:
    write(tmp_path / "counter_0.db", **{f"{MONITOR_PREFIX}flask_http_request_exceptions": 3.0})
    texts = {family.name: family.documentation for family in SlotCollector(tmp_path, alone=True).collect()}
    assert texts["flask_http_request_exceptions"] == GENERAL["flask_http_request_exceptions_total"].help


@pytest.mark.parametrize("size", [0, 3, 8, 1 << 18])
def test_a_file_that_a_worker_is_just_making_holds_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "counter_0.db"
    path.write_bytes(b"\0" * size)
    assert read_metric_file(path).values == {}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "more used than there is": lambda path: overwrite(path, 0, struct.pack("i", 1 << 30)),
    "less than nothing used": lambda path: overwrite(path, 0, struct.pack("i", -8)),
    "cut in an entry": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "used up to the middle of an entry": lambda path: overwrite(path, 0, struct.pack("i", 48)),
    "a key of negative length": lambda path: overwrite(path, FIRST_ENTRY, struct.pack("i", -4)),
    "a key of no length": lambda path: overwrite(path, FIRST_ENTRY, struct.pack("i", 0)),
    "an endless key": lambda path: overwrite(path, FIRST_ENTRY, struct.pack("i", 1 << 30)),
    "a key that is no JSON": lambda path: overwrite(path, FIRST_ENTRY + 4, b"}{"),
    "a key that is no text": lambda path: overwrite(path, FIRST_ENTRY + 6, b"\xff\xfe"),
    "a key of another form": lambda path: overwrite(path, FIRST_ENTRY + 4, b"[1] " + b" " * 40),
    "all bytes set": lambda path: path.write_bytes(b"\xff" * 65536),
    "no number": lambda path: overwrite(path, value_position(path), struct.pack("d", float("nan"))),
    "no finite number": lambda path: overwrite(path, value_position(path), struct.pack("d", float("inf"))),
}


def value_position(path: Path) -> int:
    length = struct.unpack_from("i", path.read_bytes(), FIRST_ENTRY)[0]
    return int(FIRST_ENTRY + (4 + length) // 8 * 8 + 8)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "counter_0.db", one=1.0, two=2.0)
    DAMAGES[damage](path)
    with pytest.raises(DamagedFileError):
        read_metric_file(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_and_counted_and_the_sum_stays(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    collector = SlotCollector(tmp_path, alone=True)
    write(tmp_path / "counter_1.db", one=5.0)
    path = write(tmp_path / "counter_0.db", one=1.0, two=2.0)
    assert samples(collector) == {"one_total": 6.0, "two_total": 2.0}
    DAMAGES[damage](path)
    for _ in range(3):
        # The scrape that meets the damage is whole, too.
        assert samples(collector) == {"one_total": 6.0, "two_total": 2.0}
    assert path.with_suffix(".damaged").exists()
    assert not path.exists()
    assert read_worker_starts(tmp_path).set_aside == 1
    assert str(path) in caplog.text
    # A new worker in the slot begins with an empty file, and counts on top of what there was.
    write(path, one=10.0)
    assert samples(collector) == {"one_total": 16.0, "two_total": 2.0}


def test_requests_that_an_earlier_version_counted_in_wider_buckets_stay_in_the_sum(tmp_path: Path) -> None:
    bounds = ("0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.2", "0.25", "0.5", "0.75", "1.0", "2.0", "2.5",
              "5.0", "7.5", "10.0", "30.0", "+Inf")  # fmt: skip
    labels = dict.fromkeys(LABELS, "") | {"task_type": "qa", "status": "success"}
    file = MmapedDict(str(tmp_path / "counter_0.db"))  # type: ignore[no-untyped-call]
    # And one that this version has counted, between two bounds of the earlier one.
    for le in (*bounds, "1.5"):
        key = mmap_key("gte_cell_requests", REQUESTS, [*LABELS, "le"], [*labels.values(), le], "Some help.")
        file.write_value(key, 1.0, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    families = {family.name: family.samples for family in SlotCollector(tmp_path, alone=True).collect()}
    counts = {each.labels["le"]: each.value for each in families["gte_task_latency_seconds"] if "le" in each.labels}
    # A request counts up to the bound it was counted under: never as quicker than it was.
    assert counts == {
        "0.005": 1, "0.01": 2, "0.025": 3, "0.05": 4, "0.1": 6, "0.2": 7, "0.35": 8, "0.5": 9, "0.75": 10, "1.0": 11,
        "1.5": 12, "2.0": 13, "3.0": 14, "5.0": 15, "10.0": 17, "30.0": 18, "+Inf": 19,
    }  # fmt: skip
    (requests,) = (each.value for each in families["gte_task_requests"] if each.labels["status"] == "success")
    assert requests == 19


def test_what_a_lost_file_had_counted_is_carried_on(tmp_path: Path) -> None:
    collector = SlotCollector(tmp_path, alone=True)
    path = write(tmp_path / "counter_0.db", one=1.0, two=2.0)
    samples(collector)
    path.unlink()
    assert samples(collector) == {"one_total": 1.0, "two_total": 2.0}
    write(path, one=0.5)
    assert samples(collector) == {"one_total": 1.5, "two_total": 2.0}
    path.unlink()
    # Also by an exporter that was started later.
    assert samples(collector) == samples(SlotCollector(tmp_path, alone=True)) == {"one_total": 1.5, "two_total": 2.0}


def samples(collector: SlotCollector) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name in {"one_total", "two_total"}
    }


def test_a_file_has_its_disk_space_before_a_worker_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "counter_0.db"
    reserve(path)
    blocks = path.stat().st_blocks * 512
    assert blocks >= path.stat().st_size >= 1 << 18
    write(path, one=1.0)
    reserve(path)
    assert [key.family for key in read_metric_file(path).values] == ["one"]


def test_a_full_disk_is_an_error_before_it_kills_a_worker(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    path = small_disk / "counter_0.db"
    try:
        with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        with pytest.raises(OSError, match="No space"):
            reserve(path)
    finally:
        ballast.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
