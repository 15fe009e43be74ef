"""What was measured, raw: the report and the JSON file are made from this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Turn:
    """One turn of an engine.

    Attributes:
        round: its round, from 1.
        texts: how many texts.
        tokens: how many tokens.
        seconds: how long it took.
        detail: what else the candidate answered.
    """

    round: int
    texts: int
    tokens: int
    seconds: float
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Slice:
    """One slice of load over HTTP.

    Attributes:
        round: its round, from 1; 0 for one that only warms up.
        clients: how many clients sent at a time.
        seconds: from the first request to the last answer.
        answers: requests that were answered with a vector.
        latencies: seconds of each request that was answered in time, wrongly too, in ascending order.
        errors: requests that ended in another way, by how.
    """

    round: int
    clients: int
    seconds: float
    answers: int
    latencies: tuple[float, ...]
    errors: Mapping[str, int]

    @property
    def rate(self) -> float:
        """Vectors a second."""
        return self.answers / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Failure:
    """A candidate that failed: its name, why, and the last lines of its log."""

    name: str
    reason: str
    log: str


@dataclass
class Results:
    """Everything of one run; each mapping is by the candidate's name.

    Attributes:
        engines: turns of each engine.
        cosines: least cosine of a candidate's vectors with ours in fp32.
        own_cosines: the same of what is each text's own: the vectors less the mean of ours.
        slices: slices of each service.
        first_start: seconds from the first start of its container to its first vector.
        second_start: the same for the second start.
        memory: MiB (PSS) of all processes of a container.
        failures: candidates that failed.
        warnings: what makes the figures doubtful.
    """

    engines: dict[str, list[Turn]] = field(default_factory=dict)
    cosines: dict[str, float] = field(default_factory=dict)
    own_cosines: dict[str, float] = field(default_factory=dict)
    slices: dict[str, list[Slice]] = field(default_factory=dict)
    first_start: dict[str, float] = field(default_factory=dict)
    second_start: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def has_figures(self) -> bool:
        """Whether anything was measured."""
        return bool(self.engines or self.slices)

    def token_rates(self, name: str) -> dict[int, float]:
        """Tokens a second of an engine by round."""
        return {turn.round: turn.tokens / turn.seconds for turn in self.engines.get(name, ()) if turn.seconds}

    def seconds_per_text(self, name: str) -> dict[int, float]:
        """Mean seconds a text of an engine by round."""
        return {turn.round: turn.seconds / turn.texts for turn in self.engines.get(name, ()) if turn.texts}

    def measured(self, name: str, clients: int) -> list[Slice]:
        """The slices of a service that count, with so many clients."""
        return [part for part in self.slices.get(name, ()) if part.clients == clients and part.round]

    def http_rates(self, name: str, clients: int) -> dict[int, float]:
        """Vectors a second of a service by round."""
        return {part.round: part.rate for part in self.measured(name, clients)}

    def latencies(self, name: str, clients: int) -> list[float]:
        """Seconds of all its answered requests with so many clients, of all rounds."""
        return [latency for part in self.measured(name, clients) for latency in part.latencies]
