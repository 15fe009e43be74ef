"""What both phases of a run do: start candidates, go on without those that fail, and save after every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.bench.candidate import Candidate, CandidateError
from tools.bench.docker import Workspace
from tools.bench.images import Images
from tools.bench.report import Report
from tools.bench.results import Failure
from tools.bench.texts import make_texts
from tools.cli import ToolError, say


@dataclass
class Phase:
    """One phase of a run; `running` holds the candidates that have not failed, by name."""

    workspace: Workspace
    images: Images
    report: Report
    running: dict[str, Candidate] = field(default_factory=dict)

    def add(self, name: str, candidate: Candidate, *, ours: bool) -> Candidate:
        """Take a candidate in; raises CandidateError if its image is missing."""
        if not ours and not self.images.rivals:
            raise CandidateError("its image is missing", self.images.lacking)
        self.running[name] = candidate
        return candidate

    def texts(self, count: int, number: int, clients: int = 1) -> list[str]:
        """The texts of one round: new ones each time, so that no candidate gains from remembering.

        One client sends the texts that engines have in this round, so that the two can be compared.
        """
        seed = self.report.options.seed
        return make_texts(count, f"{seed if clients == 1 else seed + clients}-{number}")

    def remove(self, name: str) -> None:
        """Remove a candidate, if it is still there."""
        if candidate := self.running.pop(name, None):
            candidate.remove()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do something with a candidate; if it fails, note why and go on without it. Then save."""
        try:
            yield
        except ToolError as error:
            log = error.log if isinstance(error, CandidateError) else ""
            self.report.results.failures.append(Failure(name, str(error), log))
            say(f"  FAILED {name}: {error}" + "".join(f"\n    | {line}" for line in log.splitlines()))
            self.remove(name)
        self.report.save()


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The same names, beginning with another one each round."""
    start = (number - 1) % len(names) if names else 0
    return [*names[start:], *names[:start]]
