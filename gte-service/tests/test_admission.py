"""What a request may cost is bounded by what is computed for it, and nobody's answer depends on who came first."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from conftest import Answer, Service
from gte_service.api.json_provider import ReadableJson

TEXT = "北京大学的学生今天去了图书馆。" * 2
# Of the hostile body that the service once computed: 65,792 texts in 132 KB.
SENTENCES = "a!" * 256


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, which gets all requests, with its default bounds; small slices, so that a request has many."""
    running = Service(tmp_path_factory.mktemp("alone"), {"GTE_WORKERS": "1", "GTE_BATCH_TOKENS": "64"})
    running.start()
    running.wait_until("ready")
    yield running
    assert running.stop() == 0


def queued_ms(answer: Answer) -> float:
    found = re.search(r"queue;dur=([\d.]+)", answer.headers["Server-Timing"])
    assert found
    return float(found[1])


def test_four_large_and_six_small_clients_at_once_are_all_answered_and_a_lone_text_does_not_wait_for_them(
    alone: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = 4 * [256] + 6 * [12]
    lone: list[Answer] = []
    with ThreadPoolExecutor(len(sizes)) as clients:
        asked = [clients.submit(alone.predict, "embedding", [TEXT] * size) for size in sizes]
        while not all(one.done() for one in asked[:4]):
            lone.append(alone.predict("embedding", "天气"))
    answers = [one.result() for one in asked]
    assert [answer.status for answer in answers + lone] == [200] * (len(answers) + len(lone))
    large, small, one = (sorted(map(queued_ms, group)) for group in (answers[:4], answers[4:], lone))
    with capsys.disabled():
        print(
            f"\nqueue ms: 256 texts {large}, 12 texts {small}, 1 text {one[len(one) // 2]} (of {len(one)}: {one[-1]})"
        )
    # A slice is a thousandth of what waits, and the machine may be busy.
    assert len(one) > 20
    assert one[len(one) // 2] < large[-1] / 50
    assert one[-1] < large[-1] / 4
    assert small[-1] < large[-1] / 2


def test_a_large_request_is_taken_beside_steady_small_ones(alone: Service) -> None:
    stopped = threading.Event()

    def steady() -> set[int]:
        seen = set()
        while not stopped.is_set():
            seen.add(alone.predict("embedding", [TEXT] * 4).status)
        return seen

    with ThreadPoolExecutor(6) as clients:
        asked = [clients.submit(steady) for _ in range(6)]
        try:
            large = [alone.predict("embedding", [TEXT] * 300).status for _ in range(5)]
        finally:
            stopped.set()
        assert {status for one in asked for status in one.result()} == {200}
    assert large == [200] * 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"task_type": "qa", "input_text": [f"{SENTENCES}|谁？"] * 256},
            "has 65792 texts to compute, each label, candidate and sentence of a context included; at most 2048",
        ),
        ({"task_type": "similarity", "input_text": ["a"] * 1025, "candidates": ["b"] * 1024}, "2049 texts"),
        ({"task_type": "similarity", "input_text": [["a", "b"]] * 1025}, "2050 texts"),
        ({"task_type": "embedding", "input_text": ["长" * 600] * 600}, "307200 tokens to compute; at most 300000"),
        ({"task_type": "ner", "input_text": ["长" * 600] * 600}, "307200 tokens to compute; at most 300000"),
        ({"task_type": "qa", "context": "好。" * 2048, "question": "谁？"}, "2048 sentences"),
    ],
)
def test_a_request_is_bounded_by_what_is_computed_for_it(alone: Service, body: dict[str, object], words: str) -> None:
    before = alone.metrics()["gte_batch_texts_sum"]
    answer = alone.ask("/predict", body)
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    assert words in answer.json["error"]["message"]
    assert alone.metrics()["gte_batch_texts_sum"] == before, "nothing was computed for it"


def test_labels_count_whether_or_not_another_request_has_left_them_in_the_cache(alone: Service) -> None:
    labels = [
        {"label": f"类别{number}", "examples": [f"例句{number}之{each}" for each in range(20)]} for number in range(50)
    ]
    for texts, expected in ((1048, 200), (1049, 413), (1048, 200)):
        answer = alone.predict("classification", ["天气"] * texts, labels=labels)
        assert answer.status == expected, answer.text[:200]


def test_types_are_counted_and_computed_once_for_all_texts(alone: Service) -> None:
    types = [
        {"label": f"类型{number}", "examples": [f"样例{number}之{each}" for each in range(20)]} for number in range(50)
    ]
    before = alone.metrics()["gte_batch_texts_sum"]
    answer = alone.predict("ner", ["北京大学"] * 200, types=types)
    assert answer.status == 200, answer.text[:200]
    assert alone.metrics()["gte_batch_texts_sum"] - before == 200 + 50 * 20


def test_a_long_answer_is_written_without_holding_up_the_other_threads() -> None:
    written = ReadableJson(Flask("test", root_path=str(Path(__file__).parent)))
    answer = {"result": [[number / 7 for number in range(1024)] for _ in range(1000)], "model": "中文\ud800"}
    turns, stopped = 0, threading.Event()

    def other() -> None:
        nonlocal turns
        while not stopped.is_set():
            turns += 1
            time.sleep(0.001)  # each wait for its turn is counted once

    thread = threading.Thread(target=other)
    thread.start()
    before = turns
    text = written.dumps(answer)
    during = turns - before
    stopped.set()
    thread.join(10)
    assert during > 10
    assert written.loads(text) == answer
