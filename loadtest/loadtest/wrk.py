"""Runs wrk with a scenario and reads the figures that the scenario prints."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.errors import WrkError
from loadtest.latency import Latencies, as_measured
from loadtest.options import ROOT, Options

MARK = "loadtest-figures "
KEY_VARIABLE = "LOADTEST_API_KEY"
# What wrk may take longer than the run itself: for its threads, and for counting up.
GRACE_SECONDS = 60


@dataclass(frozen=True)
class ClientFigures:
    """What the client saw.

    Attributes:
        seconds: how long requests were sent.
        completed: answers by task and outcome (an HTTP status, or a status with what is wrong with the answer).
        socket_errors: by kind (connect, read, write, timeout), those that occurred.
        measured: latencies of real requests.
        corrected: the same with the samples that wrk adds.
    """

    seconds: float
    completed: Mapping[tuple[str, str], int]
    socket_errors: Mapping[str, int]
    measured: Latencies
    corrected: Latencies

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return sum(self.completed.values())

    @property
    def qps(self) -> float:
        """Answered requests per second."""
        return self.requests / self.seconds


def run_wrk(options: Options) -> ClientFigures:
    """Sends the load; returns when it is over.

    Raises:
        WrkError: wrk isn't there, fails, or its figures can't be understood.
    """
    command = [
        *("wrk", "--threads", str(options.threads), "--connections", str(options.connections)),
        *("--duration", f"{options.seconds}s", "--timeout", f"{options.timeout}s"),
        *("--script", f"{options.scenario}.lua", f"{options.target_url}/predict"),
    ]
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT / "scenarios",
            # Not an argument: those can be seen by every user of the machine.
            env={**os.environ, KEY_VARIABLE: options.api_key},
            capture_output=True,
            text=True,
            check=False,
            timeout=options.seconds + GRACE_SECONDS,
        )
    except FileNotFoundError:
        raise WrkError(
            "wrk isn't installed here: use the image (docker compose run --rm --no-deps loadtest), or "
            "apt-get install wrk"
        ) from None
    except subprocess.TimeoutExpired:
        raise WrkError(f"wrk didn't end within {GRACE_SECONDS} s after the run") from None
    if ended.returncode:
        raise WrkError(f"wrk ended with status {ended.returncode}: {(ended.stderr or ended.stdout).strip()[:500]}")
    return read_figures(ended.stdout, ended.stderr, options.connections)


def read_figures(output: str, complaints: str, connections: int) -> ClientFigures:
    """Reads what a scenario printed.

    Args:
        output: wrk's standard output.
        complaints: wrk's standard error, for messages.
        connections: how many there were; the correction depends on it.

    Raises:
        WrkError: there are no figures, or they contradict each other.
    """
    found = [line for line in output.splitlines() if line.startswith(MARK)]
    if len(found) != 1:
        raise WrkError(f"wrk printed no figures: {(complaints or output).strip()[:500]}")
    try:
        return _figures(json.loads(found[0].removeprefix(MARK)), connections)
    except (ValueError, KeyError, TypeError) as error:
        raise WrkError(f"wrk's figures can't be read ({error!r}): {found[0][:200]}") from None


def _figures(read: Mapping[str, Any], connections: int) -> ClientFigures:
    completed = {_task_and_outcome(name): int(count) for name, count in read["counts"].items()}
    errors = {kind: int(count) for kind, count in read["errors"].items() if count}
    requests, microseconds = int(read["requests"]), int(read["duration_us"])
    corrected = Latencies({int(value): int(count) for value, count in read["latency_us"]})
    rounds = requests // connections
    # As wrk itself computes it, in whole numbers.
    measured = as_measured(corrected, microseconds // rounds) if rounds else corrected
    refused = sum(count for (_, outcome), count in completed.items() if int(outcome.split(maxsplit=1)[0]) > 399)
    for name, one, other in (
        ("answers", sum(completed.values()), requests),
        ("statuses above 399", refused, errors.pop("status", 0)),
        ("latencies", measured.total + errors.get("timeout", 0), requests),
    ):
        if one != other:
            raise WrkError(f"wrk's figures contradict each other: {one} {name} here, {other} there")
    return ClientFigures(microseconds / 1e6, completed, errors, measured, corrected)


def _task_and_outcome(name: str) -> tuple[str, str]:
    task, outcome = name.split(" ", maxsplit=1)
    return task, outcome
