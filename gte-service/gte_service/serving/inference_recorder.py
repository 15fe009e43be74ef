"""Records in a worker what the service measures besides its requests: queue, batches, and clients that are slow."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from gte_monitoring import Recorder
from gte_monitoring.clients.patient_worker import Unfinished
from gte_service.contract import INFERENCE_METRICS, TASK_TYPES, UNFINISHED


class InferenceRecorder(Recorder):
    """The recorder of a worker of this service."""

    def __init__(self) -> None:
        """Make the metric objects; in a worker, `join_metrics` must have come before."""
        super().__init__(TASK_TYPES, INFERENCE_METRICS)
        self._busy: Counter = self.metric("gte_inference_busy_seconds_total")
        self._queue_depth: Gauge = self.metric("gte_queue_depth")
        self._batch_texts: Histogram = self.metric("gte_batch_texts")
        self._batch_tokens: Histogram = self.metric("gte_batch_tokens")
        self._arriving: Gauge = self.metric("gte_arriving_requests")
        self._unfinished: Counter = self.metric("gte_unfinished_requests_total")
        self._recorded = dict.fromkeys(UNFINISHED, 0)
        for reason in UNFINISHED:
            self._unfinished.labels(reason)

    def batch(self, texts: int, tokens: int, seconds: float) -> None:
        """Record one batch: its size, and the seconds that its inference slot was busy."""
        self._batch_texts.observe(texts)
        self._batch_tokens.observe(tokens)
        self._busy.inc(seconds)

    def queue_depth(self, texts: int) -> None:
        """Record how many texts are waiting in this worker."""
        self._queue_depth.set(texts)

    def clients(self, arriving: int, unfinished: Unfinished) -> None:
        """Record how many requests are arriving, and what has become so far of those that never arrived in full."""
        self._arriving.set(arriving)
        for reason, recorded in self._recorded.items():
            so_far = getattr(unfinished, reason)
            if so_far > recorded:
                self._unfinished.labels(reason).inc(so_far - recorded)
                self._recorded[reason] = so_far
