"""Shows the model's state, from the files of the run folder, among the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from gte_monitoring.exposition.families import family
from gte_service.contract import BY_NAME
from gte_service.serving.status import read_readiness


class ModelCollector(Collector):
    """The metrics gte_model_* and gte_inference_slots."""

    def __init__(self, run_dir: Path, computations: int) -> None:
        """Read the states in `run_dir` anew at each scrape.

        Args:
            run_dir: of the service.
            computations: how many workers may compute at the same time.
        """
        self._run_dir = run_dir
        self._computations = computations

    def collect(self) -> Iterable[Family]:
        """How far the model is, and which one it is."""
        readiness = read_readiness(self._run_dir)
        model = readiness.model
        info = [((model.model, model.revision, model.precision, "cpu", "torch"), 1.0)] if model.revision else []
        yield family(BY_NAME["gte_model_info"], info)
        speedup = [((), model.speedup)] if model.speedup else []
        yield family(BY_NAME["gte_model_speedup_ratio"], speedup)
        yield family(BY_NAME["gte_model_ready"], float(readiness.ready))
        yield family(
            BY_NAME["gte_model_load_seconds"],
            max((worker.load_seconds for worker in readiness.workers), default=0.0),
        )
        answering = sum(worker.state == "ready" for worker in readiness.workers)
        yield family(BY_NAME["gte_inference_slots"], min(answering, self._computations))
        yield family(BY_NAME["gte_model_download_bytes"], model.downloaded_bytes)
        yield family(BY_NAME["gte_model_download_total_bytes"], model.total_bytes)
