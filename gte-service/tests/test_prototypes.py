"""Prototypes: the data files are whole, their vectors are computed once, and cosines become fair probabilities."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from gte_service.engine import PRECISIONS, Allowance, Encoded, Encoder
from gte_service.engine.store.prepared import Prepared
from gte_service.errors import InferenceFailed, ModelFilesError, StorageError
from gte_service.tasks.model import Model, Passage, VectorCache
from gte_service.tasks.prototypes.classes import Classes, fit, mean_of
from gte_service.tasks.prototypes.files import Mark, MarkedText
from gte_service.tasks.prototypes.store import prototypes_file, read_prototypes, write_prototypes
from gte_service.tasks.registry import TASKS


def around(centre: list[float], count: int, width: float, seed: int) -> torch.Tensor:
    noise = torch.randn(count, len(centre), generator=torch.Generator().manual_seed(seed)) * width
    return functional.normalize(torch.tensor(centre) + noise, dim=1)


def test_markup_is_taken_out_and_remembered() -> None:
    marked = MarkedText.parse("{张三|person}在《{三体|work}》里")
    assert marked.text == "张三在《三体》里"
    assert marked.marks == (Mark("person", 0, 2), Mark("work", 4, 6))
    assert marked.one("work").start == 4
    with pytest.raises(KeyError, match="has no mark 'place'"):
        marked.one("place")


def test_every_mark_of_every_example_is_where_its_text_is() -> None:
    for task in TASKS.values():
        for passage in task.prototypes:
            assert "{" not in passage.text
            assert "}" not in passage.text
            assert all(0 <= start < end <= len(passage.text) for start, end in passage.spans)


def test_the_nearest_label_is_the_most_probable() -> None:
    vectors = torch.cat([around([1, 0, 0, 0], 8, 0.1, 1), around([0, 1, 0, 0], 8, 0.1, 2)])
    classes = fit(("a", "b"), ["a"] * 8 + ["b"] * 8, vectors)
    evidence = classes.evidence(torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])).softmax(1)
    assert evidence[0, 0] > 0.9
    assert evidence[1, 1] > 0.9


def test_a_floor_under_all_cosines_changes_nothing() -> None:
    """GTE's vectors share a large common part; only differences may count."""
    plain = torch.cat([around([1, 0, 0, 0], 8, 0.3, 1), around([0, 1, 0, 0], 8, 0.3, 2)])
    floor = torch.cat([plain * 0.3, torch.full((16, 1), 0.954)], dim=1)
    owners = ["a"] * 8 + ["b"] * 8
    question = around([0.8, 0.2, 0, 0], 1, 0, 0)
    without = fit(("a", "b"), owners, plain).evidence(question).softmax(1)
    with_floor = (
        fit(("a", "b"), owners, functional.normalize(floor, dim=1))
        .evidence(functional.normalize(torch.cat([question * 0.3, torch.tensor([[0.954]])], dim=1), dim=1))
        .softmax(1)
    )
    assert with_floor[0, 0] == pytest.approx(float(without[0, 0]), abs=0.1)


def test_a_model_that_cannot_tell_labels_apart_is_not_sure_of_anything() -> None:
    vectors = functional.normalize(torch.randn(120, 32, generator=torch.Generator().manual_seed(5)), dim=1)
    useless = fit(("a", "b", "c"), ["a", "b", "c"] * 20, vectors[:60])
    assert float(useless.evidence(vectors[60:]).softmax(1).max(1).values.mean()) < 0.5


def test_a_label_out_of_context_competes_fairly_with_classes_in_context() -> None:
    """All spans share the direction of their sentences, and a label alone has none of it."""
    spans = functional.normalize(torch.tensor([[1.0, 0, 2], [0, 1.0, 2]]), dim=1)
    classes = Classes(("own", "none"), torch.stack([torch.tensor([1.0, 0, 0]), spans[1]]), 0.01)
    assert classes.evidence(spans).argmax(1).tolist() == [1, 1]
    assert classes.above_floors(mean_of(spans)).evidence(spans).argmax(1).tolist() == [0, 1]


def test_a_single_prototype_is_a_label_too() -> None:
    classes = fit(("a", "b"), ["a", "b"], torch.eye(2))
    assert classes.evidence(torch.eye(2)).argmax(1).tolist() == [0, 1]
    assert classes.temperature == 1


@pytest.fixture(scope="module")
def encoder(lexical: Prepared) -> Encoder:
    return Encoder(lexical.folder)


def test_the_file_has_a_row_for_each_prototype(encoder: Encoder, tmp_path: Path) -> None:
    steps: list[str] = []
    file = prototypes_file(tmp_path, "abc", "fp32", TASKS)
    write_prototypes(file, encoder, TASKS, steps.append)
    found = read_prototypes(file, TASKS)
    assert {name: len(rows) for name, rows in found.items()} == {n: len(task.prototypes) for n, task in TASKS.items()}
    for name, rows in found.items():
        if len(rows):
            assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)), atol=1e-4), name
    assert steps[0].startswith("computing the vectors of the tasks' example texts: 0 of ")
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    text = TASKS["sentiment"].prototypes[3].text
    assert torch.allclose(found["sentiment"][3], encoder.encode([text]).vectors[0], atol=1e-5)
    passage = TASKS["ner"].prototypes[0]
    (tokens,) = encoder.encode([passage.text], token_vectors=True).token_vectors
    part = tokens.mean(passage.spans)
    assert part is not None
    assert torch.allclose(found["ner"][0], part, atol=1e-5)


def test_other_prototypes_have_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Changed:
        prototypes = (Passage("x"),)

    usual = prototypes_file(tmp_path, "abc", "fp32", TASKS)
    assert prototypes_file(tmp_path, "abc", "fp32", TASKS) == usual
    others = [
        prototypes_file(tmp_path, "abd", "fp32", TASKS),
        prototypes_file(tmp_path, "abc", "int8", TASKS),
        prototypes_file(tmp_path, "abc", "fp32", {**TASKS, "ner": Changed()}),  # type: ignore[dict-item]
    ]
    monkeypatch.setattr(PRECISIONS["fp32"], "edition", 99)
    others.append(prototypes_file(tmp_path, "abc", "fp32", TASKS))
    assert len({usual, *others}) == 5


def test_a_file_that_is_missing_or_damaged_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="remove it and restart"):
        read_prototypes(tmp_path / "none.safetensors", TASKS)
    (tmp_path / "half.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelFilesError, match="remove it and restart"):
        read_prototypes(tmp_path / "half.safetensors", TASKS)


def test_a_full_disk_is_reported_and_leaves_no_half_file(encoder: Encoder, small_disk: Path) -> None:
    filler = small_disk / "filler"
    try:
        with pytest.raises(OSError, match="No space"), filler.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()
        # Room for the file's beginning.
        os.truncate(filler, filler.stat().st_size - (64 << 10))
        with pytest.raises(StorageError, match="free some space"):
            write_prototypes(small_disk / "prototypes" / "x.safetensors", encoder, {"ner": TASKS["ner"]})
        assert not list(small_disk.rglob("x.*"))
    finally:
        filler.unlink()


class CountingEncoder:
    """Notes the texts of each call, and fails at those that say so."""

    def __init__(self, encoder: Encoder) -> None:
        self.dimensions = encoder.dimensions
        self.calls: list[list[str]] = []
        self._encoder = encoder

    def encode_parts(
        self, parts: Sequence[Sequence[str]], deadline: float, token_vectors: bool, allowance: Allowance
    ) -> Iterator[Encoded]:
        for texts in parts:
            self.calls.append(list(texts))
            if "fail" in texts:
                error = InferenceFailed("no such weight")
                error.phases["queue"] = 2.0
                raise error
        return self._encoder.encode_parts(parts, deadline, token_vectors, allowance)


def test_cached_texts_are_not_computed_again(encoder: Encoder) -> None:
    counting = CountingEncoder(encoder)
    model = Model(counting, {}, VectorCache(capacity=3))
    first = model.encode_cached(["体育", "财经", "体育"])
    assert torch.equal(first[0], first[2])
    assert torch.equal(model.encode_cached(["财经", "体育"]), first[[1, 0]])
    assert counting.calls == [["体育", "财经"]]
    model.encode_cached(["体育"], token_means=True)
    assert counting.calls[1:] == [["体育"]]
    model.encode_cached(["体育", "军事", "旅游"])
    assert counting.calls[2:] == [["军事", "旅游"]]
    model.encode_cached(["体育"])
    assert counting.calls[3:] == []
    model.encode_cached(["财经"])
    assert counting.calls[3:] == [["财经"]], "the least recently used vector is dropped"


def test_a_model_sums_the_time_and_the_tokens_of_its_calls_also_when_a_later_one_fails(encoder: Encoder) -> None:
    model = Model(CountingEncoder(encoder), {}, VectorCache())
    assert (model.phases, model.tokens, model.truncated, model.batch_tokens) == ({}, 0, 0, 0)
    calls = [model.encode(["天气"]), model.encode(["长" * 600, "股票"], token_vectors=True)]
    with pytest.raises(InferenceFailed):
        model.encode(["fail"])
    assert model.phases == {
        "tokenize": pytest.approx(sum(call.tokenize_seconds for call in calls)),
        "queue": pytest.approx(sum(call.queue_seconds for call in calls) + 2),
        "inference": pytest.approx(sum(call.inference_seconds for call in calls)),
    }
    assert model.tokens == 4 + 512 + 4
    assert model.truncated == 1
    assert model.batch_tokens == sum(call.batch_tokens for call in calls) >= model.tokens
