"""Batches are formed continuously, fairly and within bounds, and a model that breaks down answers everybody."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import torch

from conftest import wait_for
from gte_service.engine.allowance import Allowance
from gte_service.engine.batcher import Batch, Batcher, Computed, Limits, Watcher
from gte_service.errors import DeadlineExceeded, InferenceFailed, Overloaded, TooLarge

PROBE = [1]


class Model:
    """Computes a text's sum and length, one batch for each release of `let`."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.is_free = False
        self.failing: Callable[[list[list[int]]], bool] = lambda _: False

    def __call__(self, texts: Sequence[Sequence[int]], with_token_vectors: Sequence[bool]) -> Sequence[torch.Tensor]:
        batch = [list(text) for text in texts]
        self.batches.append(batch)
        self.entered.release()
        assert self.is_free or self.let.acquire(timeout=30)
        if self.failing(batch):
            raise RuntimeError("no such weight")
        return [torch.tensor([float(sum(text)), float(len(text))]) for text in batch]

    def free(self) -> None:
        """Let every computation run from now on."""
        self.is_free = True
        self.let.release()


class Seen(Watcher):
    def __init__(self) -> None:
        self.depths: list[int] = []
        self.batches: list[Batch] = []
        self.why = ""

    def queue(self, texts: int) -> None:
        self.depths.append(texts)

    def batch(self, batch: Batch) -> None:
        self.batches.append(batch)

    def broken(self, why: str) -> None:
        self.why = why


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.free()


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def new_batcher(model: Model, clients: ThreadPoolExecutor) -> Iterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def new(watcher: Watcher | None = None, **limits: float) -> Batcher:
        batcher = Batcher(model, PROBE, Limits(**limits), watcher)  # type: ignore[arg-type]
        made.append(batcher)
        return batcher

    yield new
    model.free()
    for batcher in made:
        batcher.close()


def ask(
    clients: ThreadPoolExecutor, batcher: Batcher, texts: Sequence[Sequence[int]], seconds: float = math.inf
) -> Future[Computed]:
    return clients.submit(batcher.compute, texts, time.monotonic() + seconds)


def figures(asked: Future[Computed]) -> list[list[float]]:
    """What the model made of each text."""
    return [output.tolist() for output in asked.result(10).outputs]


def test_a_lone_request_starts_at_once_and_is_answered_in_order(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    model.free()
    computed = ask(clients, new_batcher(), [[1, 2], [5], [3, 3, 3]]).result(10)
    assert torch.stack(list(computed.outputs)).tolist() == [[3, 2], [5, 1], [9, 3]]
    assert model.batches == [[[1, 2], [5], [3, 3, 3]]]
    assert computed.inference_seconds > 0
    assert computed.queue_seconds >= 0


def test_texts_that_wait_together_are_computed_together(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen)
    first = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    others = [ask(clients, batcher, [[number]]) for number in (2, 3, 4)]
    wait_for(lambda: seen.depths[-1] == 3, "three texts wait")
    model.free()
    assert [figures(one) for one in (first, *others)] == [[[n, 1]] for n in (1.0, 2.0, 3.0, 4.0)]
    assert sorted(len(batch) for batch in model.batches) == [1, 3]
    wait_for(lambda: len(seen.batches) == 2, "both are reported")
    assert [(batch.texts, batch.tokens) for batch in seen.batches] == [(1, 1), (3, 3)]
    assert seen.depths[-1] == 0


def test_a_batch_keeps_to_the_budget_and_a_longer_text_goes_alone(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    model.free()
    texts = [[1] * length for length in (3, 5, 2, 12, 4, 4, 1)]
    computed = ask(clients, new_batcher(batch_tokens=8), texts).result(10)
    assert [float(output[1]) for output in computed.outputs] == [3, 5, 2, 12, 4, 4, 1]
    assert [sorted(map(len, batch)) for batch in model.batches] == [[3, 5], [2], [12], [4, 4], [1]]


def test_a_request_of_many_texts_leaves_room_for_others(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=4)
    many = ask(clients, batcher, [[1]] * 40)
    assert model.entered.acquire(timeout=10)
    lone = ask(clients, batcher, [[7]])
    wait_for(lambda: seen.depths[-1] == 37, "the lone text waits behind 36")
    model.let.release(2)
    assert figures(lone) == [[7, 1]]
    assert not many.done()
    assert len(model.batches) <= 3


def test_a_long_text_is_not_passed_over_for_ever(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=4)
    short = ask(clients, batcher, [[1]] * 40)
    assert model.entered.acquire(timeout=10)
    long = ask(clients, batcher, [[1] * 4])
    wait_for(lambda: seen.depths[-1] == 37, "the long text waits")
    model.let.release(3)
    assert figures(long) == [[4, 4]]
    assert not short.done()


def test_a_lone_text_is_in_the_next_slice_whatever_waits(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=8)
    many = [ask(clients, batcher, [[2]] * 256) for _ in range(4)]
    assert model.entered.acquire(timeout=10)
    many += [ask(clients, batcher, [[3]] * 12) for _ in range(6)]
    others = 4 * 256 + 6 * 12 - 8
    wait_for(lambda: seen.depths[-1] == others, "ten requests wait")
    for number in range(5):
        lone = ask(clients, batcher, [[7]])
        # Of the others, seven beside each lone text and eight after it have been computed.
        wait_for(lambda: seen.depths[-1] == others - 15 * number + 1, "the lone text waits")  # noqa: B023
        model.let.release()
        assert model.entered.acquire(timeout=10)
        assert [7] in model.batches[-1]
        model.let.release()
        assert figures(lone) == [[7, 1]]
        assert model.entered.acquire(timeout=10)
    model.free()
    assert [len(one.result(10).outputs) for one in many] == 4 * [256] + 6 * [12]


def test_half_of_each_slice_is_for_the_request_that_has_waited_longest(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=8)
    first = ask(clients, batcher, [[1]] * 8)
    assert model.entered.acquire(timeout=10)
    oldest = ask(clients, batcher, [[2]] * 20)
    wait_for(lambda: seen.depths[-1] == 20, "the oldest waits")
    younger = ask(clients, batcher, [[3]] * 20)
    wait_for(lambda: seen.depths[-1] == 40, "one of the same size waits")
    youngest = ask(clients, batcher, [[5]] * 20)
    wait_for(lambda: seen.depths[-1] == 60, "all of one size wait")
    small = [ask(clients, batcher, [[4]] * 8) for _ in range(4)]
    wait_for(lambda: seen.depths[-1] == 92, "small ones wait")
    model.free()
    for one, size in ((first, 8), (oldest, 20), (younger, 20), (youngest, 20), *((one, 8) for one in small)):
        assert len(one.result(10).outputs) == size
    assert model.batches[1:5] == [[[4]] * 4 + [[2]] * 4] * 4
    # Of equals, one is finished before the next begins.
    large = [text for batch in model.batches for text in batch if text in ([2], [3], [5])]
    assert large == [[2]] * 20 + [[3]] * 20 + [[5]] * 20


def test_a_text_as_long_as_a_slice_gets_its_turn_beside_a_stream_of_lone_texts(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=8)
    first = ask(clients, batcher, [[1]] * 8)
    assert model.entered.acquire(timeout=10)
    oldest = ask(clients, batcher, [[1] * 8] * 4)
    wait_for(lambda: seen.depths[-1] == 4, "it waits")
    younger = ask(clients, batcher, [[2]] * 100)
    wait_for(lambda: seen.depths[-1] == 104, "a younger one waits")
    lone = ask(clients, batcher, [[7]])
    for number in range(3):
        wait_for(lambda: seen.depths[-1] == 105 - 4 * number, "the lone text waits")  # noqa: B023
        model.let.release()
        assert model.entered.acquire(timeout=10)
        # The slice is short, because the next lone text waits for it and for the one after it.
        assert model.batches[-1] == [[7], [2], [2], [2]]
        following = ask(clients, batcher, [[7]])
        wait_for(lambda: seen.depths[-1] == 102 - 4 * number, "the next lone text waits")  # noqa: B023
        model.let.release()
        assert model.entered.acquire(timeout=10)
        assert model.batches[-1] == [[1] * 8]
        assert figures(lone) == [[7, 1]]
        lone = following
    model.free()
    assert figures(first) == [[1, 1]] * 8
    assert figures(oldest) == [[8, 8]] * 4
    assert figures(younger) == [[2, 1]] * 100


def test_nobody_is_refused_below_the_bound_and_all_sizes_alike_above_it(
    model: Model, new_batcher: Callable[..., Batcher]
) -> None:
    seen = Seen()
    batcher = new_batcher(seen)
    with ThreadPoolExecutor(40) as clients:
        asked = [ask(clients, batcher, [[1]] * size) for size in 4 * [256] + 6 * [12] + 2 * [2048]]
        wait_for(lambda: seen.depths and seen.depths[-1] >= 4096, "the bound is reached")
        for size in (1, 2048):
            with pytest.raises(Overloaded, match=r"texts are waiting and the queue holds 4096"):
                batcher.compute([[1]] * size, math.inf)
        model.free()
        assert sum(len(one.result(30).outputs) for one in asked) == 4 * 256 + 6 * 12 + 2 * 2048


def test_so_many_requests_are_taken_that_threads_are_left_for_others(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    batcher = new_batcher(requests=3, batch_tokens=1)
    asked = [ask(clients, batcher, [[1]]) for _ in range(4)]
    (refused,) = wait_for(lambda: [one for one in asked if one.done()], "one is refused", 10)
    with pytest.raises(Overloaded, match="3 requests are waiting and the queue holds 3"):
        refused.result()
    model.free()
    assert [figures(one) for one in asked if one is not refused] == 3 * [[[1, 1]]]
    assert figures(ask(clients, batcher, [[1]])) == [[1, 1]]


def test_a_request_that_was_taken_is_not_refused_later_and_keeps_its_place(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=2, queued_texts=3)
    allowance = Allowance()
    model.let.release(3)
    assert len(batcher.compute([[1]] * 6, math.inf, allowance=allowance).outputs) == 6
    first = ask(clients, batcher, [[5], [5]])
    for _ in range(4):
        assert model.entered.acquire(timeout=10)
    younger = ask(clients, batcher, [[2]] * 5)
    wait_for(lambda: seen.depths[-1] == 5, "the queue is full")
    with pytest.raises(Overloaded):
        batcher.compute([[4]], math.inf)
    second = clients.submit(batcher.compute, [[9]] * 4, math.inf, allowance=allowance)
    wait_for(lambda: seen.depths[-1] == 9, "its second part waits")
    model.free()
    assert [len(one.result(10).outputs) for one in (first, second, younger)] == [2, 4, 5]
    # It is the oldest, but no longer a small one: with its first part it has ten texts.
    assert [sorted(batch) for batch in model.batches[4:8]] == 4 * [[[2], [9]]]


def test_an_allowance_counts_over_all_calls() -> None:
    allowance = Allowance(most_texts=5, most_tokens=10)
    allowance.add_texts(3)
    allowance.add_tokens(10)
    with pytest.raises(TooLarge, match=r"has 6 texts to compute.* at most 5 are allowed"):
        allowance.add_texts(3)
    with pytest.raises(TooLarge, match="has 11 tokens to compute; at most 10 are allowed"):
        allowance.add_tokens(1)


def test_a_full_queue_refuses_at_once(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, queued_texts=2, batch_tokens=1)
    first = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    waiting = ask(clients, batcher, [[2], [3]])
    wait_for(lambda: seen.depths[-1] == 2, "two texts wait")
    with pytest.raises(Overloaded, match="2 texts are waiting and the queue holds 2") as refused:
        batcher.compute([[4]], math.inf)
    assert refused.value.phases == {}
    model.free()
    assert figures(first) == [[1, 1]]
    assert figures(waiting) == [[2, 1], [3, 1]]


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    model.free()
    assert len(ask(clients, new_batcher(queued_texts=2), [[1]] * 10).result(10).outputs) == 10


def test_a_text_past_its_deadline_costs_no_computation(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=1, queued_texts=2)
    first = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    with pytest.raises(DeadlineExceeded, match=r"0 of 2 texts were computed within the 0\.0") as late:
        ask(clients, batcher, [[8], [9]], seconds=0.05).result(10)
    assert list(late.value.phases) == ["queue"]
    assert late.value.phases["queue"] > 0.02
    assert seen.depths[-1] == 0
    # Nor does it take room in the queue.
    second = ask(clients, batcher, [[2], [3]])
    wait_for(lambda: seen.depths[-1] == 2, "two texts wait")
    model.free()
    first.result(10)
    assert figures(second) == [[2, 1], [3, 1]]
    assert model.batches == [[[1]], [[2]], [[3]]]


def test_a_request_that_is_late_while_it_is_computed_knows_how_long_it_waited_and_was_computed(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, batch_tokens=1)
    first = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    asked = time.monotonic()
    late = ask(clients, batcher, [[2], [3], [4]], seconds=0.6)
    wait_for(lambda: seen.depths[-1] == 3, "three texts wait")
    time.sleep(0.2)  # the wait that is measured
    model.let.release(2)
    # The second of its texts is being computed when its time is up.
    assert model.entered.acquire(timeout=10)
    assert model.entered.acquire(timeout=10)
    computed = time.monotonic()
    error = late.exception(10)
    ended = time.monotonic()
    assert isinstance(error, DeadlineExceeded)
    assert figures(first) == [[1, 1]]
    assert 0.2 < error.phases["queue"] < computed - asked
    assert error.phases["inference"] > asked + 0.5 - computed
    assert 0.5 < sum(error.phases.values()) < ended - asked


def test_a_text_that_fails_fails_its_own_request_and_none_of_its_batch(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    model.failing = lambda batch: [13] in batch
    batcher = new_batcher(seen, batch_tokens=6)
    first = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    asked = [ask(clients, batcher, texts) for texts in ([[2], [3]], [[13], *[[4]] * 9], [[5]], [[13]])]
    wait_for(lambda: seen.depths[-1] == 14, "all of them wait")
    model.free()
    assert figures(first) == [[1, 1]]
    assert [figures(asked[number]) for number in (0, 2)] == [[[2, 1], [3, 1]], [[5, 1]]]
    for number in (1, 3):
        with pytest.raises(InferenceFailed, match="RuntimeError") as failed:
            asked[number].result(10)
        assert failed.value.phases["inference"] > 0
    # Together, then request by request; what is left of a failed request is not computed.
    assert [13] in model.batches[1]
    assert len(model.batches[1]) > 4
    assert sum(batch.count([4]) for batch in model.batches) <= 4
    wait_for(lambda: seen.depths[-1] == 0, "nothing waits")
    assert figures(ask(clients, batcher, [[2]])) == [[2, 1]]
    assert seen.why == ""


def test_a_request_that_is_late_is_not_computed_again(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    model.failing = lambda batch: [13] in batch
    batcher = new_batcher(seen)
    first = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    failing, late = ask(clients, batcher, [[13]]), ask(clients, batcher, [[2]], seconds=0.3)
    wait_for(lambda: seen.depths[-1] == 2, "two texts wait")
    model.let.release()
    assert model.entered.acquire(timeout=10)
    assert isinstance(late.exception(10), DeadlineExceeded)
    model.free()
    assert isinstance(failing.exception(10), InferenceFailed)
    assert figures(first) == [[1, 1]]
    assert [[2]] not in model.batches


def test_a_model_that_fails_at_everything_is_reported_and_refuses(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    model.free()
    model.failing = lambda _: True
    batcher = new_batcher(seen, hang_seconds=0.5)
    with pytest.raises(InferenceFailed):
        ask(clients, batcher, [[2]]).result(10)
    wait_for(lambda: "fails at every text" in seen.why, "the report", 10)
    with pytest.raises(InferenceFailed, match="being replaced"):
        batcher.compute([[3]], math.inf)


def test_a_computation_that_hangs_is_reported_and_everybody_is_answered(
    model: Model, new_batcher: Callable[..., Batcher], clients: ThreadPoolExecutor
) -> None:
    seen = Seen()
    batcher = new_batcher(seen, hang_seconds=0.3, batch_tokens=1)
    hanging = ask(clients, batcher, [[1]])
    assert model.entered.acquire(timeout=10)
    waiting = ask(clients, batcher, [[2]])
    for one, longest in ((hanging, "inference"), (waiting, "queue")):
        with pytest.raises(InferenceFailed, match=r"has hung for over 0\.3 s") as hung:
            one.result(10)
        assert hung.value.phases[longest] > 0.2
        assert sum(hung.value.phases.values()) < hung.value.phases[longest] + 0.2
    wait_for(lambda: "has hung" in seen.why, "the report", 10)
