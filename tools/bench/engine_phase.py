"""Measures engines by themselves: one computes at a time while the others wait, round after round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.bench.candidate import Candidate, CandidateError
from tools.bench.engines import ENGINES, PEAK, PORT, REFERENCE
from tools.bench.phase import Phase, rotated
from tools.bench.results import Turn
from tools.bench.statistic import least_cosine, less_the_mean
from tools.bench.texts import check_texts, count_tokens
from tools.cli import say

TURN_SECONDS = 1800

LEAST_COSINE = 0.999
"""What vectors of 32-bit floats must reach: less is other work, not rounding (which costs some 1e-6)."""


class EnginePhase(Phase):
    """The engines of one run."""

    def run(self, names: Sequence[str]) -> None:
        """Start all, compare their vectors, measure them in every round, and remove them."""
        say("Engines")
        options, results = self.report.options, self.report.results
        vectors: dict[str, Any] = {}
        for name in names:
            with self.step(name):
                candidate = self.add(name, self._candidate(name), ours=ENGINES[name].ours)
                # The first request gives the vectors to compare, and is the warm-up.
                request = {"texts": check_texts(f"{options.seed}-check"), "vectors": True}
                seconds, answer = candidate.start(request, options.start_seconds)
                if name != PEAK:
                    vectors[name] = answer.get("vectors")
                say(f"  {name}: {seconds:.1f} s from the start of its container to its first answer")
        if REFERENCE in vectors:
            for name, found in vectors.items():
                with self.step(name):
                    self._compare(name, found, vectors[REFERENCE])
        else:
            results.warnings.append(f"Without {REFERENCE} no vectors were compared.")
        for number in range(1, options.rounds + 1):
            # Another one begins each time: what comes after a long turn finds another machine than what comes first.
            for name in rotated(list(self.running), number):
                with self.step(name):
                    self._turn(name, number)
        for name in list(self.running):
            self.remove(name)

    def _candidate(self, name: str) -> Candidate:
        return Candidate(self.workspace, f"engine-{name}", PORT, "/")

    def _compare(self, name: str, found: Any, reference: Any) -> None:
        try:
            cosine = least_cosine(found, reference)
            own = least_cosine(less_the_mean(found, reference), less_the_mean(reference, reference))
        except (ValueError, TypeError) as error:
            raise CandidateError(f"its vectors can't be compared with ours: {error}") from error
        self.report.results.cosines[name], self.report.results.own_cosines[name] = cosine, own
        figures = f"cosine with {REFERENCE} at least {cosine:.6f}, without the mean {own:.6f}"
        say(f"  {name}: {figures}")
        # Comparisons that NaN fails.
        if ENGINES[name].fp32 and not (cosine >= LEAST_COSINE and own >= LEAST_COSINE):
            raise CandidateError(f"its vectors are not ours: {figures}; {LEAST_COSINE} is needed")

    def _turn(self, name: str, number: int) -> None:
        options = self.report.options
        texts = [] if name == PEAK else self.texts(options.texts, number)
        answer = self.running[name].ask({"texts": texts}, TURN_SECONDS)
        seconds = answer.pop("seconds")
        tokens = answer.pop("tokens", count_tokens(texts))
        turn = Turn(number, len(texts), tokens, seconds, answer)
        self.report.results.engines.setdefault(name, []).append(turn)
        rate = f"{len(texts)} texts in {seconds:.1f} s, {len(texts) / seconds:.2f} texts/s, " if texts else ""
        say(f"  round {number}/{options.rounds} {name}: {rate}{tokens / seconds:.0f} tokens/s")
