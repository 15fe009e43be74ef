"""A replica finds its metric files again, takes nobody else's, and serves without counts that last if it must."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from conftest import Service, wait_for
from gte_monitoring.processes.slots import read_holders
from gte_service.serving.metrics_folder import claim


def test_replicas_at_the_same_time_have_folders_of_their_own_and_find_them_again(tmp_path: Path) -> None:
    first, second = claim(tmp_path, tmp_path / "no"), claim(tmp_path, tmp_path / "no")
    assert [first.path.name, second.path.name] == ["replica-0", "replica-1"]
    first.lock.close()
    again = claim(tmp_path, tmp_path / "no")
    assert again.path == first.path
    for each in (again, second):
        each.lock.close()


def test_replicas_that_start_in_another_order_find_their_own_folders(tmp_path: Path) -> None:
    folders = {}
    for name in ("shop-gte-service-1", "shop-gte-service-2", "shop-gte-service-3"):
        folders[name] = claim(tmp_path, tmp_path / "no", name)
    assert len({folder.path for folder in folders.values()}) == 3
    for folder in folders.values():
        folder.lock.close()
    again = {name: claim(tmp_path, tmp_path / "no", name) for name in reversed(folders)}
    assert {name: folder.path for name, folder in again.items()} == {n: folder.path for n, folder in folders.items()}
    for folder in again.values():
        folder.lock.close()
    # The second is down while a fourth comes: its counts wait for it.
    claim(tmp_path, tmp_path / "no", "shop-gte-service-4").lock.close()
    second = claim(tmp_path, tmp_path / "no", "shop-gte-service-2")
    assert second.path == folders["shop-gte-service-2"].path
    second.lock.close()


def test_replicas_whose_names_nobody_can_say_find_their_folders_by_their_hosts(tmp_path: Path) -> None:
    folders = {host: claim(tmp_path, tmp_path / "no", f"shop-{host}", host) for host in ("a1", "b2", "c3")}
    for folder in folders.values():
        folder.lock.close()
    again = {host: claim(tmp_path, tmp_path / "no", None, host) for host in reversed(folders)}
    assert {host: folder.path for host, folder in again.items()} == {host: one.path for host, one in folders.items()}
    for folder in again.values():
        folder.lock.close()
    # Made anew, they have other hosts, and their names again.
    for host, folder in folders.items():
        renewed = claim(tmp_path, tmp_path / "no", f"shop-{host}", f"new-{host}")
        renewed.lock.close()
        nameless = claim(tmp_path, tmp_path / "no", None, f"new-{host}")
        assert folder.path == renewed.path == nameless.path
        nameless.lock.close()


def test_the_folder_of_an_earlier_version_becomes_that_of_the_first_replica_that_comes(tmp_path: Path) -> None:
    old = claim(tmp_path, tmp_path / "no")
    old.lock.close()
    first = claim(tmp_path, tmp_path / "no", "shop-gte-service-1")
    second = claim(tmp_path, tmp_path / "no", "shop-gte-service-2")
    assert [first.path.name, second.path.name] == ["replica-0", "replica-1"]
    for each in (first, second):
        each.lock.close()
    # Back to a version, or a network, without names: the counts go on.
    nameless = claim(tmp_path, tmp_path / "no")
    assert nameless.path == old.path
    nameless.lock.close()


def test_a_folder_whose_name_is_held_by_a_live_replica_is_left_to_that_one(tmp_path: Path) -> None:
    one, other = (claim(tmp_path, tmp_path / "no", "shop-gte-service-1") for _ in range(2))
    assert one.path != other.path
    for each in (one, other):
        each.lock.close()


def test_two_services_on_one_volume_count_apart(new_service: Callable[..., Service], tmp_path: Path) -> None:
    metrics = str(tmp_path / "volume")
    one = new_service(GTE_WORKERS="1", GTE_METRICS_DIR=metrics)
    one.wait_until("ready")
    other = new_service(GTE_WORKERS="1", GTE_METRICS_DIR=metrics)
    other.wait_until("ready")
    name = 'gte_task_requests_total{status="success",task_type="embedding"}'
    for _ in range(3):
        assert one.predict("embedding", "天气").status == 200
    assert (one.metrics()[name], other.metrics()[name]) == (3, 0)
    assert (one.metrics()["gte_workers"], other.metrics()["gte_workers"]) == (1, 1)


def test_a_volume_that_cannot_be_written_is_said_and_costs_no_request(
    new_service: Callable[..., Service], tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file, not a folder")
    service = new_service(GTE_WORKERS="1", GTE_METRICS_DIR=str(taken))
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200
    assert service.metrics()["gte_workers"] == 1
    assert f"{taken} can't hold the metric files" in service.log.read_text()


def test_a_volume_that_vanishes_costs_no_request_when_a_worker_is_replaced(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1")
    service.wait_until("ready")
    successes = 'gte_task_requests_total{status="success",task_type="embedding"}'
    assert service.predict("embedding", "天气").status == 200
    assert (service.metrics()[successes], service.metrics()["gte_unmeasured_workers"]) == (1, 0)
    (worker,) = [holder.pid for holder in read_holders(service.metrics_dir) if holder.alive]
    volume = service.metrics_dir.parent
    shutil.rmtree(volume)
    volume.write_text("no folder any more")
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: "nothing that it does is counted" in service.log.read_text(), "the new worker says so")
    service.wait_until("ready")
    assert service.predict("embedding", "天气").status == 200
    metrics = service.metrics()
    assert (metrics["gte_workers"], metrics["gte_unmeasured_workers"], metrics["gte_server_up"]) == (1, 1, 1)
    assert metrics[successes] == 1
    assert service.stop() == 0


def test_a_full_volume_is_said_and_costs_no_request(new_service: Callable[..., Service], small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 65536))
    try:
        service = new_service(GTE_WORKERS="1", GTE_METRICS_DIR=str(small_disk / "metrics"))
        service.wait_until("ready")
        assert service.predict("embedding", "天气").status == 200
        assert "can't hold the metric files" in service.log.read_text()
        service.stop()
    finally:
        ballast.unlink()
        shutil.rmtree(small_disk / "metrics")
