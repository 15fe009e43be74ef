"""Asks the service a real question of every task as a client would, and shows whether it was answered.

A service can look well and answer nobody: heartbeats and readiness come from its own processes. A question takes the
way of a client's request, through the port, the route, the queue and the model. Workers recognise it by the secret in
its header and don't count it as traffic.

Nothing is asked, and there are no series, until the model has been ready once: a cold start is no failure, and a model
that never becomes ready shows in gte_model_ready. From then on silence is a failure, whatever the service says of
itself.
"""

from __future__ import annotations

import http.client
import json
import logging
import math
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from gte_monitoring.exposition.families import family
from gte_service.contract import BY_NAME
from gte_service.probe_secret import HEADER
from gte_service.serving.questions import read_questions
from gte_service.serving.status import read_readiness

# Of a question; less than the time between two of the same task.
DEADLINE_SECONDS = 10.0
_HOST = "127.0.0.1"
_LONGEST_ANSWER_BYTES = 1 << 20
_SHOWN_CHARACTERS = 200
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Probe:
    """How the last question of a task went.

    Attributes:
        asked: `time.monotonic()` at which the question in flight was asked, None while there is none.
        problem: why the last finished question got no result, "" if it got one; None before the first.
        seconds: how long that took.
    """

    asked: float | None = None
    problem: str | None = None
    seconds: float = 0.0

    def outcome(self) -> tuple[bool, float] | None:
        """Success and seconds. A question that is overdue has failed, even if its answer still arrives in drops."""
        waited = 0.0 if self.asked is None else time.monotonic() - self.asked
        if waited > DEADLINE_SECONDS:
            return False, waited
        return None if self.problem is None else (not self.problem, self.seconds)


class Prober(Collector):
    """Asks in the background, with one thread and at most one connection for each task; shows gte_probe_*."""

    def __init__(self, run_dir: Path, port: int, secret: str, period_seconds: float, tasks: Sequence[str]) -> None:
        """Ask nothing yet.

        Args:
            run_dir: the service's, with its readiness and the questions.
            port: the API's TCP port on this machine.
            secret: marks the questions.
            period_seconds: between two questions of a task; those of different tasks are spread over it.
            tasks: the tasks to ask about.
        """
        self._run_dir = run_dir
        self._port = port
        self._secret = secret
        self._period = period_seconds
        self._probes = dict.fromkeys(tasks, _Probe())
        self._has_been_ready = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Ask from now on."""
        # The threads inherit the mask: a signal belongs to the thread that waits for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        now = time.monotonic()
        for number, task in enumerate(self._probes):
            due = now + self._period * number / len(self._probes)
            threading.Thread(target=self._keep_asking, args=(task, due), name=f"probe-{task}", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        """Ask nothing more; doesn't wait for the answers of the questions in flight."""
        self._stopped.set()

    def collect(self) -> Iterable[Family]:
        """The tasks that have been asked about, each with its last outcome."""
        outcomes = {task: outcome for task, probe in self._probes.items() if (outcome := probe.outcome())}
        successes = [((task,), float(success)) for task, (success, _) in outcomes.items()]
        yield family(BY_NAME["gte_probe_success"], successes)
        yield family(BY_NAME["gte_probe_seconds"], [((task,), seconds) for task, (_, seconds) in outcomes.items()])

    def _keep_asking(self, task: str, due: float) -> None:
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            if self._may_ask():
                self._ask(task)
            # Turns that a long question has taken are left out, so that the tasks stay spread.
            due += self._period * max(1, math.ceil((time.monotonic() - due) / self._period))

    def _may_ask(self) -> bool:
        self._has_been_ready = self._has_been_ready or read_readiness(self._run_dir).ready
        return self._has_been_ready

    def _ask(self, task: str) -> None:
        before, begun = self._probes[task], time.monotonic()
        self._probes[task] = _Probe(begun, before.problem, before.seconds)
        try:
            problem = self._problem(json.dumps(read_questions(self._run_dir)[task]))
        except Exception as error:  # noqa: BLE001 (whatever happens, the next question must be asked)
            problem = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - begun
        if not problem and seconds > DEADLINE_SECONDS:
            problem = f"the answer came after {seconds:.1f} s"
        self._probes[task] = _Probe(None, problem, seconds)
        if problem and not before.problem:
            _log.warning("the service doesn't answer its own question for the task %s: %s", task, problem)
        elif before.problem and not problem:
            _log.info("the service answers its own question for the task %s again", task)

    def _problem(self, question: str) -> str:
        """Ask over a new connection; returns why there was no result, "" if there was one."""
        headers = {"Content-Type": "application/json", "Connection": "close", HEADER: self._secret}
        with closing(http.client.HTTPConnection(_HOST, self._port, timeout=DEADLINE_SECONDS)) as connection:
            connection.request("POST", "/predict", question, headers)
            answer = connection.getresponse()
            body = answer.read(_LONGEST_ANSWER_BYTES).decode("utf-8", "replace")
        if answer.status != http.HTTPStatus.OK:
            return f"status {answer.status}, {body[:_SHOWN_CHARACTERS].strip()}"
        content = json.loads(body)
        has_result = isinstance(content, dict) and content.get("result") is not None
        return "" if has_result else f"no result in {body[:_SHOWN_CHARACTERS].strip()}"
