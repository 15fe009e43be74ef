"""Vectors equal those of transformers' BertModel, alone and in any company."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertModel

from gte_service.engine.batcher import Batch, Limits, Watcher
from gte_service.engine.bert import BertShape
from gte_service.engine.encoder import Encoder, load_encoder
from gte_service.engine.store.prepared import Prepared, prepare
from gte_service.engine.store.synthetic import write_random
from gte_service.errors import ModelFilesError

SHAPE = BertShape(21_128, 64, 3, 4, 160, 512, 2, 1e-12)
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    source = tmp_path_factory.mktemp("random")
    write_random(source, SHAPE)
    return prepare(source, "random", tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(7)
    alphabet = "今天气很好股票大跌北京奥运会abc 。，"
    return ["".join(draw.choices(alphabet, k=length)) for length in (1, 3, 7, 40, 200, 600, 11, 2)]


def reference_vectors(folder: Path, texts: list[str]) -> torch.Tensor:
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
    with torch.no_grad():
        return torch.nn.functional.normalize(model(**inputs).last_hidden_state[:, 0], dim=1)


def test_vectors_are_those_of_transformers(small: Prepared, texts: list[str]) -> None:
    difference = (Encoder(small.folder).encode(texts).vectors - reference_vectors(small.folder, texts)).abs().max()
    assert difference < TOLERANCE


def test_a_torch_without_onednn_computes_the_same(
    small: Prepared, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Encoder(small.folder) as usual:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        with Encoder(small.folder) as other:
            assert other.precision == "fp32"
            assert (usual.encode(texts).vectors - other.encode(texts).vectors).abs().max() < TOLERANCE


def test_a_vector_does_not_depend_on_its_company(small: Prepared, texts: list[str]) -> None:
    encoder = Encoder(small.folder)
    together = encoder.encode(texts).vectors
    alone = torch.cat([encoder.encode([text]).vectors for text in texts])
    backwards = encoder.encode(texts[::-1]).vectors.flip(0)
    assert (together - alone).abs().max() < TOLERANCE
    assert (together - backwards).abs().max() < TOLERANCE


def test_more_tokens_than_one_pass_takes_change_nothing(small: Prepared) -> None:
    texts = [f"{'长' * 50}{number}" for number in range(20)]
    many = Encoder(small.folder, Limits(batch_tokens=100)).encode(texts).vectors
    one = Encoder(small.folder, Limits(batch_tokens=10_000)).encode(texts).vectors
    assert (many - one).abs().max() < TOLERANCE


def test_cut_texts_are_counted(small: Prepared) -> None:
    encoded = Encoder(small.folder).encode(["短", "长" * 600])
    assert encoded.truncated == 1
    assert encoded.tokens == 3 + 512


def test_texts_are_cut_at_the_positions_that_the_model_has(tmp_path: Path) -> None:
    write_random(tmp_path / "source", replace(SHAPE, max_position_embeddings=128))
    folder = prepare(tmp_path / "source", "short", tmp_path / "home").folder
    with Encoder(folder) as encoder:
        encoded = encoder.encode(["长" * 126, "长" * 127, "长" * 600], token_vectors=True)
        assert (encoded.tokens, encoded.truncated) == (3 * 128, 2)
        assert (encoded.vectors[0] - encoded.vectors[2]).abs().max() < TOLERANCE
        assert [tokens.end for tokens in encoded.token_vectors] == [126] * 3


def test_the_demo_model_puts_texts_that_share_characters_near(lexical: Prepared) -> None:
    vectors = Encoder(lexical.folder).encode(["今天天气很好", "今天天气不错", "股票市场大跌", "HELLO", "hello"]).vectors
    weather, weather_too, shares, upper, lower = vectors
    assert weather @ weather_too > 0.5
    assert abs(weather @ shares) < 0.3
    assert upper @ lower > 0.999


def test_transformers_reads_the_demo_model_too(lexical: Prepared) -> None:
    texts = ["张三在北京参加了奥运会", "天气"]
    difference = (Encoder(lexical.folder).encode(texts).vectors - reference_vectors(lexical.folder, texts)).abs().max()
    assert difference < TOLERANCE


def test_a_weights_file_that_is_cut_off_is_refused(small: Prepared, tmp_path: Path) -> None:
    for file in small.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 1000 if file.suffix == ".safetensors" else None])
    with pytest.raises(ModelFilesError, match="not a complete weights file"):
        Encoder(tmp_path)


def test_files_that_do_not_belong_together_are_refused(small: Prepared, lexical: Prepared, tmp_path: Path) -> None:
    for file in small.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_bytes((lexical.folder / "config.json").read_bytes())
    with pytest.raises(ModelFilesError, match="do not belong together"):
        Encoder(tmp_path)


def test_another_architecture_is_refused(small: Prepared, tmp_path: Path) -> None:
    config = (small.folder / "config.json").read_text().replace('"gelu"', '"relu"')
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelFilesError, match="hidden_act='relu' is not supported"):
        BertShape.read(tmp_path / "config.json")


def run_python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def test_the_engine_works_without_the_web(lexical: Prepared, tmp_path: Path) -> None:
    script = (
        "import sys; from gte_service.engine import load_encoder\n"
        "with load_encoder(sys.argv[1], home=sys.argv[2]) as encoder:\n"
        "    print(tuple(encoder.encode(['天气', '股票']).vectors.shape))\n"
        "print([name for name in ('flask', 'gunicorn', 'prometheus_client', 'modelscope') if name in sys.modules])"
    )
    assert run_python(script, str(lexical.folder), str(tmp_path)).splitlines() == ["(2, 128)", "[]"]


def test_a_process_may_end_while_something_is_computed(small: Prepared, tmp_path: Path) -> None:
    script = (
        "import sys, time; from gte_service.engine import load_encoder\n"
        "encoder = load_encoder(sys.argv[1], home=sys.argv[2])\n"
        "try: encoder.encode(['天气' * 250] * 20, time.monotonic() + 0.05)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    for _ in range(3):
        assert run_python(script, str(small.folder), str(tmp_path)) == "DeadlineExceeded"


def test_processes_find_what_another_has_prepared(lexical_source: Path, tmp_path: Path) -> None:
    with load_encoder(lexical_source, home=tmp_path):
        (first,) = tmp_path.glob("*/model.safetensors")
        number = first.stat().st_ino
    with load_encoder(str(lexical_source), home=str(tmp_path)):
        assert [file.stat().st_ino for file in tmp_path.glob("*/model.safetensors")] == [number]


def test_the_vectors_of_tokens_are_those_of_transformers(small: Prepared) -> None:
    texts = ["张三在北京 ok", "股票", "Hello世界"]
    model = BertModel.from_pretrained(small.folder, add_pooling_layer=False, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(small.folder)
    with Encoder(small.folder) as encoder:
        encoded = encoder.encode(texts, token_vectors=True)
        assert (encoded.vectors - encoder.encode(texts).vectors).abs().max() < TOLERANCE
    for text, tokens in zip(texts, encoded.token_vectors, strict=True):
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 1:-1]
        assert (tokens.vectors - hidden).abs().max() < TOLERANCE


def test_tokens_know_their_place_in_the_text(lexical: Prepared) -> None:
    text = "😀ＡＢ 张三👨‍👩‍👧é ok\ud83d北京"
    with Encoder(lexical.folder) as encoder:
        (tokens,) = encoder.encode([text], token_vectors=True).token_vectors
        assert len(tokens.vectors) == len(tokens.offsets)
        places = {text[start:end] for start, end in tokens.offsets}
        assert {"张", "三", "北", "京"} <= places
        assert tokens.end == len(text)
        person = tokens.mean([(text.index("张"), text.index("三") + 1)])
        assert person is not None
        alone = encoder.encode(["张三"]).vectors[0]
        other = encoder.encode(["北京"]).vectors[0]
        assert person @ alone > person @ other + 0.3
        assert tokens.mean([(3, 3)]) is None


def test_requests_for_vectors_and_for_tokens_share_a_computation(small: Prepared) -> None:
    seen: list[int] = []

    class Batches(Watcher):
        def batch(self, batch: Batch) -> None:
            seen.append(batch.texts)

    with Encoder(small.folder, watcher=Batches()) as encoder, ThreadPoolExecutor(8) as clients:
        alone = encoder.encode(["天气很好"]).vectors
        wanted = [clients.submit(encoder.encode, ["天气很好"], math.inf, number % 2 == 1) for number in range(64)]
        for number, future in enumerate(wanted):
            encoded = future.result(30)
            assert (encoded.vectors - alone).abs().max() < TOLERANCE
            assert [tuple(tokens.vectors.shape) for tokens in encoded.token_vectors] == [(4, 64)] * (number % 2)
            assert encoded.batch_tokens >= encoded.tokens
    assert max(seen) > 1
