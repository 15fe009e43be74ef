"""Runs wrk with a scenario and reads the figures that the scenario prints."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.latency import Latencies, as_measured
from tools.cli import ToolError

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
MARK = "loadtest-figures "
KEY_VARIABLE = "LOADTEST_API_KEY"
# What wrk may take longer than the run itself: for its threads, and for counting up.
GRACE_SECONDS = 60


class WrkError(ToolError):
    """wrk didn't run, or its figures can't be understood."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk sends.

    Attributes:
        scenario: name of the scenario.
        seconds: how long requests are sent.
        connections: connections that are kept busy, each with one request at a time.
        threads: threads of wrk; `connections` is a multiple of it.
        timeout: seconds after which an answer counts as lost.
        target_url: the service.
        path: where requests go.
        requests: so many are sent, with each text in turn, and the run ends with the last answer; 0: as many as fit
            into the time, with texts at random.
        texts: the file of the texts, "" for the load test's own.
        api_key: what the service asks for, "" for nothing; not part of the repr.
    """

    scenario: str
    seconds: int
    connections: int
    threads: int
    timeout: int
    target_url: str
    path: str = "/predict"
    requests: int = 0
    texts: str = ""
    api_key: str = field(default="", repr=False)


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


def run_wrk(load: Load) -> ClientFigures:
    """Send the load; returns when it is over.

    Raises:
        WrkError: wrk isn't there, fails, or its figures can't be understood.
    """
    command = [
        *("wrk", "--threads", str(load.threads), "--connections", str(load.connections)),
        *("--duration", f"{load.seconds}s", "--timeout", f"{load.timeout}s"),
        *("--script", f"{load.scenario}.lua", f"{load.target_url}{load.path}"),
    ]
    try:
        ended = subprocess.run(
            command,
            cwd=SCENARIOS,
            # Not an argument: those can be seen by every user of the machine.
            env={
                **os.environ,
                KEY_VARIABLE: load.api_key,
                "LOADTEST_REQUESTS": str(load.requests),
                "LOADTEST_TEXTS": load.texts,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=load.seconds + GRACE_SECONDS,
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
    return read_figures(ended.stdout, ended.stderr, load.connections)


def read_figures(output: str, complaints: str, connections: int) -> ClientFigures:
    """Read what a scenario printed.

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
    for name, counted, reported in (
        ("answers", sum(completed.values()), requests),
        ("statuses above 399", refused, errors.pop("status", 0)),
        ("latencies", measured.total + errors.get("timeout", 0), requests),
    ):
        if counted != reported:
            raise WrkError(f"wrk's figures contradict each other: {counted} {name} here, {reported} there")
    return ClientFigures(microseconds / 1e6, completed, errors, measured, corrected)


def _task_and_outcome(name: str) -> tuple[str, str]:
    task, outcome = name.split(" ", maxsplit=1)
    return task, outcome
