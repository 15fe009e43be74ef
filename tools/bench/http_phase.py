"""Measures services over HTTP: all are started, one has its slice while the others are idle, round after round.

Memory is read where no other container of the same image runs: they would share the pages of its libraries, and each
would be charged with a part of them only. So a service is read right after its start, or else in the end, when the
others have been removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.bench.console import say
from tools.bench.docker import Workspace
from tools.bench.engine_phase import fail, rotated, round_texts
from tools.bench.errors import BenchError, CandidateError
from tools.bench.images import Images
from tools.bench.results import Results
from tools.bench.running_service import RunningService, wait_until_idle
from tools.bench.services import OURS_4_WORKERS, Service, our_service
from tools.bench.statistic import percentile

_WARM_UP = 8
"""Clients of the slice before memory is read, and half its requests: every worker of four has then computed."""

_IDLE_PERCENT = 5.0
_IDLE_SECONDS = 30.0


def requests(texts: int, clients: int) -> int:
    """Requests of a slice: at least two for each client."""
    return max(texts, 2 * clients)


@dataclass
class HttpPhase:
    """The services of one run.

    Attributes:
        results: where the figures go.
        workspace: of this run.
        images: ours and the rivals'.
        model: the volume of the model.
        dimensions: of a vector.
        seed: of the texts.
        running: those that have not failed, by name.
    """

    results: Results
    workspace: Workspace
    images: Images
    model: str
    dimensions: int
    seed: int
    running: dict[str, RunningService] = field(default_factory=dict)

    def compare(self, services: Mapping[str, Service], texts: int, rounds: int, clients: Sequence[int]) -> None:
        """Measure start, memory and load of services, and the memory of four workers of ours."""
        say(f"HTTP: starting {', '.join(services)}")
        unread: list[str] = []
        for name, service in services.items():
            shares = any(other.image == self._image(service) for other in self.running.values())
            if self._start(name, service):
                if shares:
                    unread.append(name)
                else:
                    self._read_memory(name)
        self.load(texts, rounds, clients)
        self._restart_ours()
        for name in [name for name in self.running if name not in unread]:
            self._remove(name)
        for name in [name for name in unread if name in self.running]:
            self._read_memory(name)
            self._remove(name)
        if any(service.ours for service in services.values()):
            self._start(OURS_4_WORKERS, our_service("fp32", workers=4))
            self._read_memory(OURS_4_WORKERS)
            self._remove(OURS_4_WORKERS)

    def compare_topologies(
        self, precision: str, topologies: Sequence[tuple[int, int]], texts: int, rounds: int, clients: Sequence[int]
    ) -> None:
        """Measure our service with so many workers x threads; what it prepares is made once, for all."""
        home = self.workspace.volume("home")
        for workers, threads in topologies:
            self._start(f"{workers}x{threads}", our_service(precision, workers, threads), home)
        self.load(texts, rounds, clients)
        for name in list(self.running):
            self._remove(name)

    def load(self, texts: int, rounds: int, clients: Sequence[int]) -> None:
        """Give each service its slices; the same texts for all in the same slice."""
        self._wait_until_idle()
        for number in range(1, rounds + 1):
            for count in clients:
                # One client sends what the engines had in this round, so that the two can be compared.
                sent = round_texts(requests(texts, count), self.seed if count == 1 else self.seed + count, number)
                for name in rotated(list(self.running), number):
                    with self._guarded(name):
                        self._slice(name, sent, count, number, rounds)

    def _start(self, name: str, service: Service, home: str = "") -> bool:
        with self._guarded(name):
            image = self._image(service)
            if not image:
                raise CandidateError("its image is not there", self.images.lacking)
            started = RunningService(self.workspace, name, service, image)
            self.running[name] = started
            started.create(self.model, self.dimensions, home)
            self.results.first_start[name] = started.start()
            say(f"  {name}: {self.results.first_start[name]:.1f} s from the start of its container to a vector")
        return name in self.running

    def _read_memory(self, name: str) -> None:
        if name not in self.running:
            return
        with self._guarded(name):
            service = self.running[name]
            service.slice(round_texts(2 * _WARM_UP, self.seed, 0), _WARM_UP, 0)
            self.results.memory[name] = service.memory()
            say(f"  {name}: {self.results.memory[name]:.0f} MiB (PSS)")

    def _restart_ours(self) -> None:
        for name, service in list(self.running.items()):
            if service.service.ours:
                with self._guarded(name):
                    service.stop()
                    self.results.second_start[name] = service.start()
                    say(f"  {name}: {self.results.second_start[name]:.1f} s when started again")

    def _slice(self, name: str, texts: Sequence[str], clients: int, number: int, rounds: int) -> None:
        found = self.running[name].slice(texts, clients, number)
        self.results.slices.setdefault(name, []).append(found)
        errors = f", {sum(found.errors.values())} errors" if found.errors else ""
        say(
            f"  round {number}/{rounds} {name}, {clients} clients: {found.rate:.2f} texts/s, "
            f"P95 {1000 * percentile(found.latencies, 0.95):.0f} ms{errors}"
        )

    def _wait_until_idle(self) -> None:
        for name, service in list(self.running.items()):
            with self._guarded(name):
                used = wait_until_idle(service.cpu_percent, _IDLE_SECONDS, _IDLE_PERCENT)
                if used >= _IDLE_PERCENT:
                    warning = f"{name} uses {used:.0f} % of a CPU while it is idle: it takes that from the others."
                    self.results.warnings.append(warning)
                    say(f"  WARNING: {warning}")

    def _image(self, service: Service) -> str:
        return self.images.ours if service.ours else self.images.rivals

    def _remove(self, name: str) -> None:
        if service := self.running.pop(name, None):
            service.remove()

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """What is done with a service: if it fails, say so and go on without it."""
        try:
            yield
        except BenchError as error:
            fail(self.results, name, error)
            self._remove(name)
