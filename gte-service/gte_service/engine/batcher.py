"""Forms batches across requests: continuously, fairly, bounded, and never waiting for company.

One thread computes. Whenever it is free it takes what waits at that moment, one text of each request in turn, up to a
budget of tokens: a lone request starts at once, a request of many texts leaves room for the others, and a text longer
than the budget goes alone. A request whose deadline has passed leaves the queue with all that has not been computed.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gte_service.engine.compute_lock import Turns
from gte_service.errors import DeadlineExceeded, InferenceFailed, Overloaded, RequestError

_log = logging.getLogger(__name__)

Compute = Callable[[Sequence[Sequence[int]], Sequence[bool]], Sequence[Tensor]]
"""Turns token ids of some texts into one float32 tensor each; see `Bert.forward`."""


@dataclass(frozen=True)
class Limits:
    """How much may be computed together, and how much may wait.

    Attributes:
        batch_tokens: tokens of one computation; a single longer text goes alone.
        queued_texts: texts that may wait; more are refused at once. A request that finds the queue empty is
            taken whatever its size.
        hang_seconds: a computation that takes longer has hung.
    """

    # As many as the longest text has: nobody waits longer for a running computation than for such a text.
    batch_tokens: int = 512
    # About what two cores compute with GTE-large before the default deadline of 30 s has passed for the last.
    queued_texts: int = 96
    hang_seconds: float = 60.0


@dataclass(frozen=True)
class Batch:
    """One computation, for whoever measures.

    Attributes:
        texts: how many texts it held.
        tokens: how many tokens.
        seconds: how long it took.
    """

    texts: int
    tokens: int
    seconds: float


class Watcher:
    """Is told what a batcher does; does nothing with it. To be overridden by whoever measures."""

    def queue(self, texts: int) -> None:
        """So many texts wait now."""

    def batch(self, batch: Batch) -> None:
        """A computation has ended."""

    def broken(self, why: str) -> None:
        """The model fails at everything, or hangs. All requests have been answered, and new ones are refused."""


@dataclass(eq=False)
class _Job:
    """One request: its texts, how many have been taken, and what has come of them."""

    texts: Sequence[Sequence[int]]
    whole: bool
    deadline: float
    arrived: float
    outputs: list[Tensor] = field(default_factory=list)
    taken: int = 0
    computing: float = 0.0
    batch_tokens: int = 0
    error: RequestError | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def waiting(self) -> int:
        return len(self.texts) - self.taken

    def end(self, error: RequestError | None = None) -> None:
        self.error = self.error or error
        self.done.set()


@dataclass(frozen=True)
class Computed:
    """What came of one request.

    Attributes:
        outputs: what the model made of each text, in order.
        queue_seconds: time during which none of its texts was being computed.
        inference_seconds: time of the computations that held a text of it.
        batch_tokens: tokens of those computations, those of others included.
    """

    outputs: Sequence[Tensor]
    queue_seconds: float
    inference_seconds: float
    batch_tokens: int


class Batcher:
    """Computes texts of many requests together. Thread-safe."""

    def __init__(
        self,
        compute: Compute,
        probe: Sequence[int],
        limits: Limits | None = None,
        watcher: Watcher | None = None,
        turns: Turns | None = None,
    ) -> None:
        """Start the computing thread and the one that watches it.

        Args:
            compute: the model.
            probe: a text that the model must always be able to compute: when others have failed, it tells whether
                they or the model are to blame.
            limits: how much may be computed together and may wait.
            watcher: is told what happens.
            turns: are waited for before each computation; whatever arrives meanwhile is part of it.
        """
        self._compute = compute
        self._probe = probe
        self._limits = limits or Limits()
        self._watcher = watcher or Watcher()
        self._turn = turns.take if turns else nullcontext
        self._lock = threading.Condition()
        self._queue: deque[_Job] = deque()
        self._running: list[_Job] = []
        self._running_since = 0.0
        self._broken = ""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name="inference-watch", daemon=True).start()
        # A process that ends while this thread computes would be aborted.
        atexit.register(self.close)

    def compute(self, texts: Sequence[Sequence[int]], deadline: float, whole: bool = False) -> Computed:
        """Wait until the texts have been computed.

        Args:
            texts: token ids, at least one text.
            deadline: `time.monotonic()` after which nobody waits for the answer any more.
            whole: whether the vectors of all tokens are wanted.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: not all of it was computed in time.
            InferenceFailed: the model failed, or hung.
        """
        job = _Job(texts, whole, deadline, time.monotonic())
        with self._lock:
            if self._broken:
                raise InferenceFailed(self._broken)
            waiting = self._waiting()
            if waiting and waiting + len(texts) > self._limits.queued_texts:
                raise Overloaded(
                    f"{waiting} texts are waiting and the queue holds {self._limits.queued_texts}. "
                    "Try again later, with fewer texts a request, or add machines."
                )
            self._queue.append(job)
            self._watcher.queue(waiting + len(texts))
            self._lock.notify()
        # The longest wait that a lock takes stands for "no deadline".
        if not job.done.wait(min(threading.TIMEOUT_MAX, max(0.0, deadline - time.monotonic()))):
            with self._lock:
                if not job.done.is_set():
                    if job in self._queue:
                        self._queue.remove(job)
                        self._watcher.queue(self._waiting())
                    job.end(_too_late(job))
        if job.error:
            raise job.error
        took = time.monotonic() - job.arrived
        return Computed(job.outputs, max(0.0, took - job.computing), job.computing, job.batch_tokens)

    def close(self) -> None:
        """End the threads once what is waiting has been computed; nothing may be asked for any more.

        A computation that hangs can't be ended: its thread stays.
        """
        with self._lock:
            self._closed = True
            self._lock.notify()
        if not self._broken:
            self._thread.join()
        atexit.unregister(self.close)

    def _waiting(self) -> int:
        return sum(job.waiting for job in self._queue)

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._queue:
                    if self._closed:
                        return
                    self._lock.wait()
            with self._turn():
                with self._lock:
                    batch = self._take()
                    self._watcher.queue(self._waiting())
                    self._running = [job for job, _ in batch]
                    self._running_since = time.monotonic()
                if batch and not self._finish(batch) and not self._works():
                    return

    def _take(self) -> list[tuple[_Job, Sequence[int]]]:
        """Take one text of each job in turn, as many as fit; a job that doesn't fit is first in the next batch."""
        batch: list[tuple[_Job, Sequence[int]]] = []
        tokens = 0
        skipped: list[_Job] = []
        while self._queue and tokens < self._limits.batch_tokens:
            job = self._queue.popleft()
            text = job.texts[job.taken]
            if batch and tokens + len(text) > self._limits.batch_tokens:
                skipped.append(job)
                continue
            job.taken += 1
            batch.append((job, text))
            tokens += len(text)
            if job.waiting:
                self._queue.append(job)
        self._queue.extendleft(reversed(skipped))
        return batch

    def _works(self) -> bool:
        try:
            return bool(torch.isfinite(self._compute([self._probe], [False])[0]).all())
        except Exception:  # noqa: BLE001 (whatever it is, the answer is no)
            return False

    def _finish(self, batch: list[tuple[_Job, Sequence[int]]]) -> bool:
        """Compute a batch and answer the jobs that are complete. Returns whether the model could compute it."""
        begun = time.monotonic()
        failure = ""
        outputs: Sequence[Tensor] | None = None
        try:
            outputs = self._compute([text for _, text in batch], [job.whole for job, _ in batch])
        except Exception as error:  # noqa: BLE001 (whatever it is, its requests must be answered and the rest served)
            _log.exception("a computation of %d texts failed", len(batch))
            failure = f"the model failed at these texts ({type(error).__name__}); the log of the service says why."
        seconds = time.monotonic() - begun
        tokens = sum(len(text) for _, text in batch)
        with self._lock:
            self._running = []
            for job in {job: None for job, _ in batch}:
                job.computing += seconds
                job.batch_tokens += tokens
            for number, (job, _) in enumerate(batch):
                if outputs is None:
                    if job in self._queue:
                        self._queue.remove(job)
                    job.end(InferenceFailed(failure))
                else:
                    job.outputs.append(outputs[number])
                    if len(job.outputs) == len(job.texts):
                        job.end()
        self._watcher.batch(Batch(len(batch), tokens, seconds))
        return outputs is not None

    def _watch(self) -> None:
        pause = self._limits.hang_seconds / 10
        while True:
            self._thread.join(pause)
            with self._lock:
                running = self._running
                hung = bool(running) and time.monotonic() - self._running_since > self._limits.hang_seconds
                if self._closed:
                    return
                if self._thread.is_alive() and not hung:
                    continue
                what = f"has hung for over {self._limits.hang_seconds:g} s" if hung else "fails at every text"
                self._broken = f"the model {what}; this worker is being replaced. Try again."
                for job in {*running, *self._queue}:
                    job.end(InferenceFailed(self._broken))
                self._queue.clear()
                self._watcher.queue(0)
            self._watcher.broken(self._broken)
            return


def _too_late(job: _Job) -> DeadlineExceeded:
    done = len(job.outputs)
    return DeadlineExceeded(
        f"{done} of {len(job.texts)} texts were computed within the {job.deadline - job.arrived:.2g} s that a request "
        "may take. Send fewer or shorter texts a request, or try again when the service is less busy."
    )
