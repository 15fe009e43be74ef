"""Measures engines by themselves: each has its turn while the others wait, round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.bench.console import say
from tools.bench.docker import Workspace
from tools.bench.engines import ENGINES, LIMIT, PEAK, REFERENCE, Engine
from tools.bench.errors import BenchError, CandidateError
from tools.bench.images import ROOT, Images
from tools.bench.protocol import Candidate
from tools.bench.results import Failure, Results, Turn
from tools.bench.statistic import least_cosine, less_the_mean
from tools.bench.texts import check_texts, count_tokens, make_texts

LOAD_SECONDS = 600.0
TURN_SECONDS = 1800.0

LEAST_COSINE = 0.999
"""What vectors of 32-bit floats must reach: less is other work, not rounding (which costs some 1e-6)."""

Start = Callable[[str, Engine], Candidate]
"""Starts a candidate by its name."""


@dataclass
class EnginePhase:
    """The engines of one run.

    Attributes:
        results: where the figures go.
        start: starts a candidate.
        running: those that have not failed, by name.
    """

    results: Results
    start: Start
    running: dict[str, Candidate] = field(default_factory=dict)

    def run(self, names: Sequence[str], texts: int, rounds: int, seed: int) -> None:
        """Load all, compare their vectors, and give them their turns."""
        say(f"Engines: loading {', '.join(names)}")
        for name in (PEAK, *names):
            with self._guarded(name):
                self.running[name] = self.start(name, _engine(name))
        for name, candidate in list(self.running.items()):
            with self._guarded(name):
                candidate.wait_until_ready(LOAD_SECONDS)
        self._compare(check_texts(f"{seed}-check"))
        for number in range(1, rounds + 1):
            given = round_texts(texts, seed, number)
            # Another one begins each time: what comes after a long turn finds another machine than what comes first.
            for name in rotated(list(self.running), number):
                with self._guarded(name):
                    self._turn(name, given, number, rounds)

    def close(self) -> None:
        """End all candidates."""
        for candidate in self.running.values():
            candidate.close()
        self.running.clear()

    def _compare(self, texts: Sequence[str]) -> None:
        """Ask all for the same few vectors; that is their warm-up too."""
        vectors: dict[str, list[list[float]]] = {}
        for name, candidate in list(self.running.items()):
            if name != PEAK:
                with self._guarded(name):
                    vectors[name] = candidate.ask({"texts": texts, "vectors": True}, TURN_SECONDS)["vectors"]
        reference = vectors.get(REFERENCE)
        if reference is None:
            self.results.warnings.append(f"Without {REFERENCE} nobody's vectors were compared.")
            return
        for name, found in vectors.items():
            with self._guarded(name):
                self._judge(name, found, reference)

    def _judge(self, name: str, found: list[list[float]], reference: list[list[float]]) -> None:
        try:
            cosine = least_cosine(found, reference)
            own = least_cosine(less_the_mean(found, reference), less_the_mean(reference, reference))
        except (ValueError, TypeError) as error:
            raise CandidateError(f"its vectors can't be compared with ours: {error}") from error
        self.results.cosines[name], self.results.own_cosines[name] = cosine, own
        say(f"  {name}: cosine with {REFERENCE} at least {cosine:.6f}, without the mean {own:.6f}")
        # Comparisons that NaN fails.
        if _engine(name).fp32 and not (cosine >= LEAST_COSINE and own >= LEAST_COSINE):
            raise CandidateError(
                f"its vectors are not ours: cosine {cosine:.6f}, without the mean {own:.6f}; {LEAST_COSINE} is needed"
            )

    def _turn(self, name: str, texts: Sequence[str], number: int, rounds: int) -> None:
        answer = self.running[name].ask({"texts": [] if name == PEAK else list(texts)}, TURN_SECONDS)
        seconds = float(answer.pop("seconds"))
        tokens = int(answer.pop("tokens", count_tokens(texts)))
        turn = Turn(number, 0 if name == PEAK else len(texts), tokens, seconds, answer)
        self.results.engines.setdefault(name, []).append(turn)
        said = "" if name == PEAK else f"{len(texts)} texts in {seconds:.1f} s, {len(texts) / seconds:.2f} texts/s, "
        say(f"  round {number}/{rounds} {name}: {said}{tokens / seconds:.0f} tokens/s")

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """What is done with a candidate: if it fails, say so and go on without it."""
        try:
            yield
        except (BenchError, KeyError) as error:
            fail(self.results, name, error)
            if candidate := self.running.pop(name, None):
                candidate.close()


def container_starter(workspace: Workspace, images: Images, model: str) -> Start:
    """Starts engines in containers without network.

    Args:
        workspace: of this run.
        images: ours and the rivals'.
        model: the volume of the model.
    """

    def start(name: str, engine: Engine) -> Candidate:
        image = images.rivals if engine.environment else images.ours
        if not image:
            raise CandidateError("its image is not there", images.lacking)
        command = [
            "docker", "run", "--rm", "--init", "--interactive", "--network", "none", *workspace.label,
            "--name", workspace.container(f"engine-{name}"), "--user", "0", "--volume", f"{model}:/model:ro",
            "--volume", "/scratch", *code_mount(), image, *engine.command,
        ]  # fmt: skip
        return Candidate(command, workspace.folder / f"{name}.log")

    return start


def code_mount() -> list[str]:
    """The words that let a container run the programs of bench/candidates/."""
    return ["--volume", f"{ROOT / 'tools'}:/code/tools:ro", "--env", "PYTHONPATH=/code"]


def round_texts(count: int, seed: int, number: int) -> list[str]:
    """The texts of one round: new ones each time, so that nobody gains from remembering."""
    return make_texts(count, f"{seed}-{number}")


def rotated(names: list[str], number: int) -> list[str]:
    """The same names, beginning with another one each round."""
    start = (number - 1) % len(names) if names else 0
    return names[start:] + names[:start]


def fail(results: Results, name: str, error: Exception) -> None:
    """Note that a candidate failed, and say so."""
    log = error.log if isinstance(error, CandidateError) else ""
    reason = str(error) if isinstance(error, BenchError) else f"it answered without {error}"
    results.failures.append(Failure(name, reason, log))
    say(f"  FAILED {name}: {reason}" + "".join(f"\n    | {line}" for line in log.splitlines()))


def _engine(name: str) -> Engine:
    return LIMIT if name == PEAK else ENGINES[name]
