"""Models in the layouts of the hubs give the vectors that the software they are published for gives."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from published_models import PUBLISHED, TEXTS

from gte_service.engine import Encoder
from gte_service.engine.store.prepared import prepare

TOLERANCE = 1e-5
LONG = [*TEXTS, "今天天气很好" * 300]


@pytest.fixture(params=PUBLISHED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def vectors(folder: Path, home: Path, texts: list[str]) -> torch.Tensor:
    with Encoder(prepare(folder, "x", home).folder) as encoder:
        found: torch.Tensor = encoder.encode(texts).vectors
        by_tokens = encoder.encode(texts, token_vectors=True).vectors
        assert (found - by_tokens).abs().max() < TOLERANCE
        return found


def test_vectors_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    published = PUBLISHED[name]
    folder = published.write(tmp_path / "model")
    found = vectors(folder, tmp_path / "home", LONG)
    wanted = published.reference(folder, LONG)
    # Lowercasing by sentence-transformers itself, which transformers doesn't know; special tokens stay as they are.
    if name == "cased lowered":
        lowered = [text.lower().replace("[sep]", "[SEP]").replace("[mask]", "[MASK]") for text in LONG]
        wanted = published.reference(folder, lowered)
    assert (found - wanted).abs().max() < TOLERANCE
    # The texts are told apart, so that equal vectors mean something.
    assert (found @ found.T).fill_diagonal_(0)[:5, :5].max() < 0.999


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is None, reason="no sentence-transformers here")
@pytest.mark.filterwarnings("ignore")
def test_vectors_are_those_of_sentence_transformers(name: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = PUBLISHED[name].write(tmp_path / "model")
    found = vectors(folder, tmp_path / "home", LONG)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    wanted = model.encode(LONG, normalize_embeddings=True, convert_to_tensor=True)
    assert (found - wanted).abs().max() < TOLERANCE


def test_another_precision_is_made_of_the_prepared_form(tmp_path: Path) -> None:
    folder = PUBLISHED["old"].write(tmp_path / "model")
    exact = prepare(folder, "x", tmp_path / "home")
    coarse = prepare(exact.folder, "x", tmp_path / "home", precision="int8")
    with Encoder(exact.folder) as one, Encoder(coarse.folder) as other:
        cosines = (one.encode(TEXTS).vectors * other.encode(TEXTS).vectors).sum(1)
    assert 0.99 < cosines.min() < 0.999999
