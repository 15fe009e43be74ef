"""The services that are compared over HTTP, and how they are asked; compose.yaml says what their containers run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """How a service is asked for one vector.

    Attributes:
        port: where it listens in its container.
        path: of the URL.
        body: the JSON for a text.
        vector: finds the vector in the JSON of an answer.
        scenario: sends the same under load: one of the load test's, or the path of another without `.lua`.
    """

    port: int
    path: str
    body: Callable[[str], Any]
    vector: Callable[[Any], Any]
    scenario: str


_PREDICT = Endpoint(
    5000,
    "/predict",
    lambda text: {"task_type": "embedding", "input_text": text},
    lambda answer: answer["result"],
    "embedding",
)
_OPENAI = Endpoint(
    7997,
    "/embeddings",
    lambda text: {"model": "gte", "input": [text]},
    lambda answer: answer["data"][0]["embedding"],
    "/code/tools/bench/openai",
)


@dataclass(frozen=True)
class Service:
    """One service: what the table calls it, how it is asked, and whether it is our own."""

    title: str
    endpoint: Endpoint = _PREDICT
    ours: bool = False


OURS_FP32, OURS_INT8, TUTORIAL, INFINITY = "ours-fp32", "ours-int8", "tutorial", "infinity"
OURS_4_WORKERS = "ours-fp32-4-workers"
"""Only its memory is measured, beside the tutorial's four workers."""

SERVICES: Mapping[str, Service] = {
    OURS_FP32: Service("ours, fp32", ours=True),
    OURS_INT8: Service("ours, int8", ours=True),
    TUTORIAL: Service("the tutorial's service, 4 workers"),
    INFINITY: Service("infinity-emb's server", _OPENAI),
    OURS_4_WORKERS: Service("ours, fp32, 4 workers", ours=True),
}


def default_topologies(cpus: int) -> list[tuple[int, int]]:
    """(workers, torch threads) worth trying: one worker, the CPUs divided, and two that take turns with all of them."""
    return list(dict.fromkeys([(1, cpus), (2, max(1, cpus // 2)), (cpus, 1), (2, cpus)]))
