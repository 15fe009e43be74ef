"""Forms batches across requests: continuously, fairly, bounded, and never waiting for more work to arrive.

One thread computes. Whenever it is free it takes a slice of the queued texts, up to a budget of tokens; a text longer
than the budget is computed alone. Half of a slice goes to the requests with the fewest texts, so that a lone text is in
the next slice however much others have sent. The rest goes to the request that has waited longest, so that none waits
for ever: in turn, requests of one size would all be as late as the last. A request whose deadline has passed leaves the
queue with the texts not computed by then.
A batch at which the model fails is computed again request by request: a text fails its own request and no other.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gte_service.engine.allowance import Allowance
from gte_service.engine.compute_lock import ComputeLock
from gte_service.errors import DeadlineExceeded, InferenceFailed, ModelBroken, Overloaded, RequestError

_log = logging.getLogger(__name__)

Compute = Callable[[Sequence[Sequence[int]], Sequence[bool]], Sequence[Tensor]]
"""`Bert.forward`: token ids of some texts, and whether each wants its token vectors; gives a float32 tensor each."""


@dataclass(frozen=True)
class Limits:
    """How much may be computed together, and how much may wait.

    Attributes:
        batch_tokens: tokens of one slice; a longer text is computed alone.
        queued_texts: while so many texts wait, further requests are refused, small ones and large ones alike.
        hang_seconds: a computation that takes longer is taken to hang.
        requests: while so many wait or are computed, further ones are refused.
    """

    # One maximum-length text: a batch never takes longer than the longest single text would.
    batch_tokens: int = 512
    # Twice what one request may have, so that the largest one leaves room for others.
    queued_texts: int = 4096
    hang_seconds: float = 60.0
    # About the number of texts that two cores compute with GTE-large within the default deadline of 30 s.
    requests: int = 96


@dataclass(frozen=True)
class Batch:
    """One computation, as reported to a `Watcher`.

    Attributes:
        texts: how many texts it held.
        tokens: how many tokens.
        seconds: how long it took.
    """

    texts: int
    tokens: int
    seconds: float


class Watcher:
    """Callbacks of a batcher. These do nothing; a subclass overrides the ones it wants."""

    def queue(self, texts: int) -> None:
        """The number of queued texts has changed to `texts`."""

    def batch(self, batch: Batch) -> None:
        """A computation has ended."""

    def broken(self, why: str) -> None:
        """The model hangs or fails at every text. All requests have been answered, and new ones are refused."""


@dataclass(eq=False)
class _Job:
    """One call for a request: its texts, how many have been started, and the outputs so far.

    Attributes:
        since: the `time.monotonic()` at which the request's first call arrived.
        before: texts of its earlier calls.
        total: texts of all of its calls, as far as they are known.
    """

    texts: Sequence[Sequence[int]]
    with_token_vectors: bool
    deadline: float
    arrived: float
    since: float
    before: int
    total: int
    outputs: list[Tensor] = field(default_factory=list)
    taken: int = 0
    computing: float = 0.0
    batch_tokens: int = 0
    error: RequestError | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def waiting(self) -> int:
        return len(self.texts) - self.taken

    @property
    def size(self) -> tuple[int, float]:
        """What small requests come first by; of two equal ones the older."""
        return self.before + self.waiting, self.since

    def end(self, error: RequestError | None = None) -> None:
        self.error = self.error or error
        self.done.set()


@dataclass(frozen=True)
class Computed:
    """The result of one request.

    Attributes:
        outputs: the model's output for each text, in order.
        queue_seconds: time during which none of its texts was being computed.
        inference_seconds: time of the computations that held one of its texts.
        batch_tokens: tokens of those computations, including other requests' tokens.
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
        compute_lock: ComputeLock | None = None,
    ) -> None:
        """Start the computing thread and the one that watches it.

        Args:
            compute: the model.
            probe: token ids of a text that the model can always compute: after a failure they show whether the texts
                or the model caused it.
            limits: how much may be computed together and how much may wait.
            watcher: gets the callbacks.
            compute_lock: is acquired before each computation; texts that arrive meanwhile join it.
        """
        self._compute = compute
        self._probe = probe
        self._limits = limits or Limits()
        self._watcher = watcher or Watcher()
        self._permit = compute_lock.held if compute_lock else nullcontext
        self._lock = threading.Condition()
        self._queue: list[_Job] = []
        # The request that has waited longest, if it got nothing in the last slice.
        self._passed_over: _Job | None = None
        self._requests = 0
        self._running: list[_Job] = []
        self._running_since = 0.0
        self._broken = ""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name="inference-watch", daemon=True).start()
        # torch aborts a process that exits while a thread computes.
        atexit.register(self.close)

    def compute(
        self,
        texts: Sequence[Sequence[int]],
        deadline: float,
        with_token_vectors: bool = False,
        allowance: Allowance | None = None,
    ) -> Computed:
        """Wait until the texts have been computed.

        An error that comes after a wait has its time in `phases`: `queue`, and `inference` if a text was computed.

        Args:
            texts: token ids, at least one text.
            deadline: the `time.monotonic()` at which the request is given up.
            with_token_vectors: whether to return the vectors of all tokens instead of the pooled ones.
            allowance: the request's, if it makes several calls: only the first can be refused, and the later ones keep
                its place in the queue.

        Raises:
            Overloaded: too much waits already.
            DeadlineExceeded: not all of it was computed in time.
            InferenceFailed: the model failed at these texts.
            ModelBroken: it hung, or fails at every text.
        """
        allowance = allowance or Allowance()
        arrived = time.monotonic()
        with self._lock:
            if self._broken:
                raise ModelBroken(self._broken)
            if allowance.admitted is None:
                self._check_room()
                allowance.admitted = arrived
            before = allowance.queued
            allowance.queued += len(texts)
            total = max(allowance.queued, allowance.texts)
            job = _Job(texts, with_token_vectors, deadline, arrived, allowance.admitted, before, total)
            self._queue.append(job)
            self._requests += 1
            self._watcher.queue(self._waiting())
            self._lock.notify()
        try:
            self._wait(job)
        finally:
            with self._lock:
                self._requests -= 1
        if job.error:
            job.error.phases = self._phases(job)
            raise job.error
        took = time.monotonic() - job.arrived
        return Computed(job.outputs, max(0.0, took - job.computing), job.computing, job.batch_tokens)

    def _check_room(self) -> None:
        waiting, limits = self._waiting(), self._limits
        if waiting >= limits.queued_texts:
            full = f"{waiting} texts are waiting and the queue holds {limits.queued_texts}"
        elif self._requests >= limits.requests:
            full = f"{self._requests} requests are waiting and the queue holds {limits.requests}"
        else:
            return
        raise Overloaded(f"{full}. Try again later, send fewer texts in each request, or add machines.")

    def _wait(self, job: _Job) -> None:
        """Wait until a job has ended, or end it at its deadline."""
        # An infinite deadline is capped at the longest wait that a lock supports.
        if not job.done.wait(min(threading.TIMEOUT_MAX, max(0.0, job.deadline - time.monotonic()))):
            with self._lock:
                if not job.done.is_set():
                    if job in self._queue:
                        self._queue.remove(job)
                        self._watcher.queue(self._waiting())
                    job.end(_too_late(job))

    def close(self) -> None:
        """End the threads once the queue has been computed; `compute` must not be called afterwards.

        A computation that hangs can't be ended: its thread stays.
        """
        with self._lock:
            self._closed = True
            self._lock.notify()
        if not self._broken:
            self._thread.join()
        atexit.unregister(self.close)

    def _phases(self, job: _Job) -> dict[str, float]:
        """The time of a job that has got no result; the computation that holds it may go on."""
        with self._lock:
            now = time.monotonic()
            computing = job.computing + (now - self._running_since if job in self._running else 0.0)
        phases = {"queue": max(0.0, now - job.arrived - computing)}
        return phases | {"inference": computing} if job.taken else phases

    def _waiting(self) -> int:
        return sum(job.waiting for job in self._queue)

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._queue:
                    if self._closed:
                        return
                    self._lock.wait()
            with self._permit():
                with self._lock:
                    batch = self._take()
                    self._watcher.queue(self._waiting())
                if batch and not self._finish(batch) and not self._works():
                    return

    def _take(self) -> list[tuple[_Job, Sequence[int]]]:
        """Take the next slice out of the queue: texts of small requests, then those of the oldest, as many as fit."""
        budget = self._limits.batch_tokens
        batch: list[tuple[_Job, Sequence[int]]] = []
        left = budget

        def take(job: _Job, until: int) -> None:
            """Take texts of a job while more than `until` tokens are left."""
            nonlocal left
            while job.waiting and left > until:
                text = job.texts[job.taken]
                if batch and len(text) > left:
                    return
                job.taken += 1
                batch.append((job, text))
                left -= len(text)

        by_age = sorted(self._queue, key=lambda job: job.since)
        oldest = by_age[0] if by_age else None
        if oldest and oldest is self._passed_over:
            take(oldest, budget - 1)
        for job in sorted(self._queue, key=lambda job: job.size):
            take(job, budget // 2)
        if oldest:
            take(oldest, 0)
        self._passed_over = None if any(job is oldest for job, _ in batch) else oldest
        # It goes first in the next slice, which small requests then wait for besides this one: this one stays short.
        for job in by_age if self._passed_over is None else ():
            take(job, 0)
        self._queue = [job for job in self._queue if job.waiting]
        return batch

    def _works(self) -> bool:
        try:
            return bool(torch.isfinite(self._compute([self._probe], [False])[0]).all())
        except Exception:  # noqa: BLE001 (any failure means no)
            return False

    def _finish(self, batch: list[tuple[_Job, Sequence[int]]]) -> bool:
        """Compute a batch and answer the jobs that are complete; one that fails is computed again, job by job.

        So a text fails its own request and no other. Returns whether the model could compute any of it.
        """
        jobs = list(dict.fromkeys(job for job, _ in batch))
        if len(jobs) == 1:
            return self._attempt(batch)
        if self._attempt(batch, is_last=False):
            return True
        parts = ([(job, text) for job, text in batch if job is each] for each in jobs if not each.done.is_set())
        computed = [self._attempt(part) for part in parts]
        return any(computed)

    def _attempt(self, batch: list[tuple[_Job, Sequence[int]]], is_last: bool = True) -> bool:
        """Compute texts together; their jobs get the outputs, or the error if there is no further attempt."""
        begun = time.monotonic()
        with self._lock:
            self._running = list(dict.fromkeys(job for job, _ in batch))
            self._running_since = begun
        failure = ""
        outputs: Sequence[Tensor] | None = None
        try:
            outputs = self._compute([text for _, text in batch], [job.with_token_vectors for job, _ in batch])
        except Exception as error:  # noqa: BLE001 (after any failure its requests must be answered and the others served)
            _log.exception("a computation of %d texts failed", len(batch))
            failure = f"the model failed at these texts ({type(error).__name__}); see the service's log for the reason."
        seconds = time.monotonic() - begun
        tokens = sum(len(text) for _, text in batch)
        with self._lock:
            for job in self._running:
                job.computing += seconds
                job.batch_tokens += tokens
            self._running = []
            for number, (job, _) in enumerate(batch):
                if outputs is not None:
                    job.outputs.append(outputs[number])
                    if len(job.outputs) == len(job.texts):
                        job.end()
                elif is_last:
                    if job in self._queue:
                        self._queue.remove(job)
                        self._watcher.queue(self._waiting())
                    job.end(InferenceFailed(failure))
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
                problem = f"has hung for over {self._limits.hang_seconds:g} s" if hung else "fails at every text"
                self._broken = f"the model {problem}; this worker is being replaced. Try again."
                for job in {*running, *self._queue}:
                    job.end(ModelBroken(self._broken))
                self._queue.clear()
                self._watcher.queue(0)
            self._watcher.broken(self._broken)
            return


def _too_late(job: _Job) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{job.before + len(job.outputs)} of {job.total} texts were computed within the {job.deadline - job.since:.2g} "
        "s that a request may take. Send fewer or shorter texts in each request, or try again when the service is less "
        "busy."
    )
