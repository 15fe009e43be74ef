"""A candidate is a real process here: it answers, dies, or talks nonsense."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.bench.errors import CandidateError
from tools.bench.protocol import Candidate

START = "import json, sys, time\nsay = lambda answer: print(json.dumps(answer), flush=True)\n"
READY = START + 'say({"ready": True})\n'

Run = Callable[[str], Candidate]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = []

    def start(program: str) -> Candidate:
        candidate = Candidate([sys.executable, "-c", program], tmp_path / "log")
        started.append(candidate)
        return candidate

    yield start
    for candidate in started:
        candidate.close()


def test_a_candidate_gets_the_texts_and_gives_its_time(run: Run) -> None:
    candidate = run(READY + 'for line in sys.stdin: say({"seconds": 0.5, "got": json.loads(line)["texts"]})')
    candidate.wait_until_ready(10)
    assert candidate.ask({"texts": ["今天", "a\nb"]}, 10) == {"seconds": 0.5, "got": ["今天", "a\nb"]}
    assert candidate.ask({"texts": []}, 10)["got"] == []


def test_one_that_dies_while_loading_is_told_with_its_last_words(run: Run) -> None:
    candidate = run(START + 'sys.exit("no module named rival")')
    with pytest.raises(CandidateError, match="ended with status 1 during loading") as caught:
        candidate.wait_until_ready(10)
    assert caught.value.log == "no module named rival"


def test_one_that_dies_in_its_turn_is_told(run: Run) -> None:
    candidate = run(READY + "sys.stdin.readline(); raise MemoryError('too long')")
    candidate.wait_until_ready(10)
    with pytest.raises(CandidateError, match="during a turn") as caught:
        candidate.ask({"texts": ["一"]}, 10)
    assert caught.value.log.endswith("MemoryError: too long")


def test_only_the_end_of_a_long_log_is_told(run: Run) -> None:
    candidate = run(START + "[print(number, file=sys.stderr) for number in range(1000)]\nsys.exit(3)")
    with pytest.raises(CandidateError, match="status 3") as caught:
        candidate.wait_until_ready(10)
    assert caught.value.log.splitlines() == [str(number) for number in range(985, 1000)]


def test_one_that_was_dead_before_its_turn_is_told(run: Run) -> None:
    candidate = run(READY)
    candidate.wait_until_ready(10)
    for _ in range(2):  # the first may still fit into the pipe
        with pytest.raises(CandidateError, match="ended with status 0"):
            candidate.ask({"texts": ["一" * 100_000]}, 10)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("print('Loading weights...', flush=True)", "no JSON object: 'Loading weights...'"),
        ("print('[1]', flush=True)", r"no JSON object: '\[1\]'"),
        ("say({})", "answered without a time"),
        ("say({'seconds': 'fast'})", "answered without a time"),
        ("say({'seconds': 0})", "answered without a time"),
        ("say({'seconds': True})", "answered without a time"),
        ("say({'seconds': -1.5})", "answered without a time"),
        ("say({'seconds': float('nan')})", "answered without a time"),
    ],
)
def test_nonsense_is_no_answer(run: Run, answer: str, said: str) -> None:
    candidate = run(READY + f"sys.stdin.readline()\n{answer}\nsys.stdin.readline()")
    candidate.wait_until_ready(10)
    with pytest.raises(CandidateError, match=said):
        candidate.ask({"texts": ["一"]}, 10)


def test_one_that_hangs_is_given_up(run: Run) -> None:
    candidate = run(READY + "time.sleep(1)")
    candidate.wait_until_ready(10)
    with pytest.raises(CandidateError, match="a turn has not ended after 0 s"):
        candidate.ask({"texts": ["一"]}, 0.2)


def test_something_else_than_ready_is_refused(run: Run) -> None:
    with pytest.raises(CandidateError, match="before it was ready"):
        run(START + 'say({"seconds": 1})\nsys.stdin.readline()').wait_until_ready(10)


def test_a_closed_candidate_has_ended(run: Run, tmp_path: Path) -> None:
    candidate = run(READY + f"sys.stdin.read()\nopen({str(tmp_path / 'ended')!r}, 'w').close()")
    candidate.wait_until_ready(10)
    candidate.close()
    assert (tmp_path / "ended").exists()
