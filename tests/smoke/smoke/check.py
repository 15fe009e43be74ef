"""What a check is: one sentence about one service, and how to find out whether it is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from smoke.deadline import Deadline
from smoke.settings import Addresses


@dataclass(frozen=True)
class Stack:
    """The running stack that is checked.

    Attributes:
        at: where its services are.
        left_out: the services that are not part of this run.
        run: a word that no other run has; marks what this run leaves behind.
        began: when the run began, in seconds of Unix time.
    """

    at: Addresses
    left_out: frozenset[str]
    run: str
    began: float


@dataclass(frozen=True)
class Check:
    """One sentence about one service.

    Attributes:
        service: the Compose name of the service that the sentence is about.
        says: the rest of the sentence.
        run: raises CheckError when the sentence isn't true.
        seconds: how long that may take.
        needs: further services that have to be part of the run.
        look_at: where the cause of a failure is most likely seen, when that isn't the service's log.
    """

    service: str
    says: str
    run: Callable[[Stack, Deadline], None]
    seconds: float = 10.0
    needs: frozenset[str] = field(default_factory=frozenset)
    look_at: str = ""

    @property
    def services(self) -> frozenset[str]:
        """All the services that it can't do without."""
        return self.needs | {self.service}

    @property
    def hint(self) -> str:
        """What to look at when it fails."""
        return self.look_at or f"docker compose logs {self.service}"
