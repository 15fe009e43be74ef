"""Measures services over HTTP: first each alone, then all under load, one at a time and round after round.

Start and memory are measured while no other candidate runs: a container of the same image would share the pages of
its libraries, and each would be charged with a part of them only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from tools.bench.candidate import Candidate
from tools.bench.phase import Phase, rotated
from tools.bench.results import Slice
from tools.bench.services import OURS_4_WORKERS, SERVICES, Service
from tools.cli import percentile, say

WIDTHS = {"full": 1024, "tiny": 128}
"""Dimensions of a vector by shape (see candidates/write_model.py)."""

_FIRST_TEXT = "模型可以回答了吗"
_WARM_UP_CLIENTS = 8
"""With twice as many requests before memory is read: every worker of four has then computed."""

_IDLE_PERCENT = 5.0
_IDLE_SECONDS = 30.0


class HttpPhase(Phase):
    """The services of one run."""

    def compare(self, names: Sequence[str]) -> None:
        """Measure start, memory and load of services, and the memory of four workers of ours."""
        say(f"HTTP: starting {', '.join(names)}")
        results = self.report.results
        for name in names:
            with self.step(name):
                results.first_start[name] = self._start(name, SERVICES[name])
                say(f"  {name}: {results.first_start[name]:.1f} s from the start of its container to a vector")
                self._read_memory(name)
                self.running[name].stop() if name != OURS_4_WORKERS else self.remove(name)
        for name in list(self.running):
            with self.step(name):
                results.second_start[name] = self._start(name, SERVICES[name])
                say(f"  {name}: {results.second_start[name]:.1f} s when started again")
        self._load({name: SERVICES[name] for name in self.running})

    def compare_topologies(self, topologies: Sequence[tuple[int, int]]) -> None:
        """Measure our service with so many workers x threads; what it prepares is made once, for all."""
        template = json.loads(self.workspace.compose("config", "--format", "json"))["services"]
        template = template[f"service-ours-{self.report.options.precision}"]
        services = {
            f"{workers}x{threads}": {"GTE_WORKERS": str(workers), "GTE_TORCH_THREADS": str(threads)}
            for workers, threads in topologies
        }
        added = {
            f"service-{name}": {**template, "environment": template["environment"] | settings}
            for name, settings in services.items()
        }
        self.workspace.add("topologies.json", json.dumps({"services": added}))
        for name in services:
            with self.step(name):
                seconds = self._start(name, Service(name, ours=True))
                say(f"  {name}: {seconds:.1f} s from the start of its container to a vector")
        self._load({name: Service(name, ours=True) for name in services})

    def _start(self, name: str, service: Service) -> float:
        """Seconds from the start of its container to a vector."""
        endpoint, options = service.endpoint, self.report.options
        candidate = self.running.get(name) or self.add(
            name, Candidate(self.workspace, f"service-{name}", endpoint.port, endpoint.path), ours=service.ours
        )
        seconds, answer = candidate.start(endpoint.body(_FIRST_TEXT), options.start_seconds)
        try:
            width = len([float(number) for number in endpoint.vector(answer)])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise candidate.failed(f"there is no vector in its answer: {str(answer)[:200]}") from error
        if width != WIDTHS[options.shape]:
            raise candidate.failed(f"its vector has {width} numbers instead of {WIDTHS[options.shape]}")
        return seconds

    def _load(self, services: Mapping[str, Service]) -> None:
        """Load each service in every round, with the same texts for all; then remove them."""
        self._wait_until_idle()
        options = self.report.options
        for number in range(1, options.rounds + 1):
            for clients in options.clients:
                for name in rotated(list(self.running), number):
                    with self.step(name):
                        self._slice(name, services[name], clients, number)
        for name in list(self.running):
            self.remove(name)

    def _slice(self, name: str, service: Service, clients: int, number: int) -> None:
        options = self.report.options
        texts = self.texts(requests(options.texts, clients), number, clients)
        sent = self.running[name].load(self.images.generator, service.endpoint.scenario, texts, clients)
        errors = {f"status {outcome}": count for outcome, count in sent["answers"].items() if outcome != "200"}
        measured = Slice(
            round=number,
            clients=clients,
            seconds=sent["seconds"],
            answers=sent["answers"]["200"],
            latencies=tuple(microseconds / 1e6 for microseconds, count in sent["latency_us"] for _ in range(count)),
            errors=errors | sent["errors"],
        )
        self.report.results.slices.setdefault(name, []).append(measured)
        say(
            f"  round {number}/{options.rounds} {name}, {clients} clients: {measured.rate:.2f} texts/s, "
            f"P95 {1000 * percentile(measured.latencies, 0.95):.0f} ms, {sum(measured.errors.values())} errors"
        )

    def _read_memory(self, name: str) -> None:
        texts, scenario = self.texts(2 * _WARM_UP_CLIENTS, 0), SERVICES[name].endpoint.scenario
        self.running[name].load(self.images.generator, scenario, texts, _WARM_UP_CLIENTS)
        self.report.results.memory[name] = self.running[name].memory()
        say(f"  {name}: {self.report.results.memory[name]:.0f} MiB (PSS)")

    def _wait_until_idle(self) -> None:
        for name, candidate in list(self.running.items()):
            with self.step(name):
                used = wait_until_idle(candidate.cpu_percent, _IDLE_SECONDS, _IDLE_PERCENT)
                if used >= _IDLE_PERCENT:
                    warning = f"{name} uses {used:.0f} % of a CPU while it is idle: it takes that from the others."
                    self.report.results.warnings.append(warning)
                    say(f"  WARNING: {warning}")


def requests(texts: int, clients: int) -> int:
    """Requests of a slice: at least two for each client."""
    return max(texts, 2 * clients)


def wait_until_idle(cpu: Callable[[], float], timeout: float, below: float) -> float:
    """Wait until a service uses less than `below` percent of a CPU; returns what it used last."""
    end = time.monotonic() + timeout
    while (used := cpu()) >= below and time.monotonic() < end:
        pass
    return used
