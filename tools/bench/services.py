"""The services that are compared over HTTP: their images, settings, and how they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.bench.load import Endpoint

_PREDICT = Endpoint(
    "/predict", lambda text: {"task_type": "embedding", "input_text": text}, lambda answer: _numbers(answer["result"])
)
_OPENAI = Endpoint(
    "/embeddings",
    lambda text: {"model": "gte", "input": [text]},
    lambda answer: _numbers(answer["data"][0]["embedding"]),
)


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        title: what the table calls it.
        port: where it listens in its container.
        endpoint: how it is asked.
        precision: of our own, "" for rivals.
        environment: variables of its container.
        command: what its container runs, () for what the image runs.
    """

    title: str
    port: int
    endpoint: Endpoint
    precision: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether it is our own service."""
        return bool(self.precision)


def our_service(precision: str, workers: int | None = None, torch_threads: int | None = None) -> Service:
    """Our service as compose.yaml starts it; None leaves a setting at its default."""
    settings = {"GTE_PRECISION": precision, "GTE_MODEL_DIR": "/model"}
    title = f"ours, {precision}"
    if workers is not None:
        settings["GTE_WORKERS"] = str(workers)
        title += f", {workers} workers"
    if torch_threads is not None:
        settings["GTE_TORCH_THREADS"] = str(torch_threads)
        title += f" x {torch_threads} threads"
    return Service(title, 5000, _PREDICT, precision, settings)


OURS_FP32, OURS_INT8, TUTORIAL, INFINITY = "ours-fp32", "ours-int8", "tutorial", "infinity"

SERVICES: Mapping[str, Service] = {
    OURS_FP32: our_service("fp32"),
    OURS_INT8: our_service("int8"),
    TUTORIAL: Service(
        "the tutorial's service, 4 workers",
        5000,
        _PREDICT,
        command=("/opt/modelscope/bin/gunicorn", "-w", "4", "--threads", "2", "--timeout", "300",
                 "-b", "0.0.0.0:5000", "--chdir", "/opt/tutorial", "app:app"),
    ),
    INFINITY: Service(
        "infinity-emb's server",
        7997,
        _OPENAI,
        command=("/opt/infinity/bin/infinity_emb", "v2", "--model-id", "/model", "--served-model-name", "gte",
                 "--engine", "torch", "--device", "cpu", "--dtype", "float32", "--batch-size", "32",
                 "--no-bettertransformer", "--no-model-warmup", "--host", "0.0.0.0", "--port", "7997"),
    ),
}  # fmt: skip

OUR_SERVICES = tuple(service for service in SERVICES.values() if service.ours)

OURS_4_WORKERS = "ours-fp32-4-workers"
"""Only its memory is measured, beside the tutorial's four."""


def default_topologies(cpus: int) -> list[tuple[int, int]]:
    """(workers, torch threads) worth trying: one worker, the CPUs divided, and two that take turns with all of them."""
    tried = [(1, cpus), (2, max(1, cpus // 2)), (cpus, 1), (2, cpus)]
    return list(dict.fromkeys(tried))


def _numbers(vector: Any) -> Sequence[float]:
    if not isinstance(vector, list):
        raise TypeError("no list")
    return vector
