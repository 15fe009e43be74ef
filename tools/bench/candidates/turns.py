"""Takes turns: loads an engine, then answers one JSON line on standard output for each one on standard input.

The first line that it writes says that it is ready. After that, `{"texts": [...]}` is answered with
`{"seconds": ...}`, and with `"vectors"` where the command has `"vectors": true`. Whatever fails ends the process,
with the reason on standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

MODEL = Path("/model")
"""Where every candidate finds the model."""

BATCH = 32
"""Texts of a padded batch, for those that pad."""

Encode = Callable[[Sequence[str]], Any]
"""Turns all texts into vectors, in their order: a tensor, an array, or a list of them."""


def available_cpus() -> int:
    """CPUs this container may use, at least 1: its cgroup's limit, or those it is allowed on."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, int(quota) // int(period)))


def take_turns(load: Callable[[], Encode]) -> None:
    """Load an engine, and answer until standard input ends."""
    torch.set_num_threads(available_cpus())
    encode = load()

    def answer(command: dict[str, Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        vectors = encode(command["texts"])
        seconds = time.perf_counter() - begun
        wanted = {"vectors": [list(map(float, vector)) for vector in vectors]} if command.get("vectors") else {}
        return {"seconds": seconds, **wanted}

    answer_commands(answer)


def answer_commands(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Say that we are ready, then answer each command until standard input ends."""
    # Libraries print as they like: standard output is for answers alone.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
    # An engine's own threads may wait for ever: the process shall end all the same.
    os._exit(0)
