"""Tells what became of the checks: a line for each, a line of counts, and the same for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smoke.runner import Outcome, Result

LONGEST_REASON = 500


def line(result: Result) -> str:
    """The line of one check."""
    check = result.check
    sentence = f"{check.service} {check.says}"
    reason = " ".join(result.reason.split())
    if len(reason) > LONGEST_REASON:
        reason = reason[: LONGEST_REASON - 1] + "…"
    if result.outcome is Outcome.PASSED:
        return f"ok   {sentence} ({result.seconds:.3f} s)"
    if result.outcome is Outcome.LEFT_OUT:
        return f"LEFT OUT {sentence}: {reason}"
    return f"FAIL {sentence} ({result.seconds:.3f} s): {reason}; look at: {check.hint}"


def counts(results: Sequence[Result]) -> dict[Outcome, int]:
    """How many checks came to each outcome."""
    return {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}


def last_line(results: Sequence[Result]) -> str:
    """The line of counts."""
    return ", ".join(f"{count} {outcome}" for outcome, count in counts(results).items())


def as_json(results: Sequence[Result], run: str) -> dict[str, Any]:
    """The whole run for programs."""
    return {
        "run": run,
        **{outcome.replace(" ", "_"): count for outcome, count in counts(results).items()},
        "checks": [
            {
                "service": result.check.service,
                "check": result.check.says,
                "outcome": result.outcome.replace(" ", "_"),
                "seconds": round(result.seconds, 3),
                "reason": result.reason or None,
                "look_at": result.check.hint if result.outcome is Outcome.FAILED else None,
            }
            for result in results
        ],
    }
