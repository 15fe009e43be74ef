"""The shape of GTE-large, with random weights: several workers hold its weights in memory once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Service
from gte_service.engine.store.synthetic import write_random

pytestmark = pytest.mark.full_size

WORKERS = 4
MIB = 1 << 20
# 325 million weights, 303 million of them in linear layers, at 4 bytes, or at 1 byte in these layers; a worker's own
# part is the libraries' and its activations'.
WEIGHTS_MIB = {"fp32": 1240, "int8": 380}
OWN_MIB = 250


@pytest.mark.parametrize("precision", WEIGHTS_MIB)
def test_four_workers_hold_the_weights_once(
    new_service: Callable[..., Service], tmp_path: Path, precision: str
) -> None:
    write_random(tmp_path / "model")
    service = new_service(GTE_MODEL_DIR=str(tmp_path / "model"), GTE_WORKERS=str(WORKERS), GTE_PRECISION=precision)
    service.wait_until("ready")
    for number in range(8 * WORKERS):
        answer = service.predict("embedding", f"第{number}句：张三在北京参加了奥运会")
        assert len(answer.json["result"]) == 1024
    metrics = service.metrics()
    assert metrics["gte_workers"] == WORKERS
    sizes = {
        process: metrics[f'gte_process_proportional_memory_bytes{{process="{process}"}}'] / MIB
        for process in ("master", "exporter", *(f"worker-{slot}" for slot in range(WORKERS)))
    }
    print(f"\n{precision}: PSS in MiB: { {name: round(size) for name, size in sizes.items()} }, "
          f"in all {sum(sizes.values()):.0f}; loaded in {metrics['gte_model_load_seconds']:.1f} s")  # fmt: skip
    assert sum(sizes.values()) < WEIGHTS_MIB[precision] + (WORKERS + 1) * OWN_MIB
