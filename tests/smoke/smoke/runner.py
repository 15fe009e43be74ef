"""Makes the checks one after the other, whatever becomes of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from smoke.check import Check, Stack
from smoke.deadline import Deadline
from smoke.errors import CheckError, LeftOutError, UnreachableError

# Once a service hasn't answered at all, its other checks are still tried, but not waited for.
GIVEN_UP_SECONDS = 2.0


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Result:
    """What became of a check, in how many seconds, and why when it didn't pass."""

    check: Check
    outcome: Outcome
    seconds: float
    reason: str = ""


def run_checks(checks: Iterable[Check], stack: Stack) -> Iterator[Result]:
    """Makes each check and yields its result as soon as there is one; raises nothing."""
    unreachable: set[str] = set()
    for check in checks:
        absent = sorted(check.services & stack.left_out)
        if absent:
            reason = f"SMOKE_LEFT_OUT names {', '.join(absent)}"
            yield Result(check, Outcome.LEFT_OUT, 0.0, reason)
            continue
        given_up = not unreachable.isdisjoint(check.services)
        seconds = min(check.seconds, GIVEN_UP_SECONDS) if given_up else check.seconds
        started = time.monotonic()
        outcome, reason = _run(check, stack, Deadline(seconds), unreachable)
        yield Result(check, outcome, time.monotonic() - started, reason)


def _run(check: Check, stack: Stack, deadline: Deadline, unreachable: set[str]) -> tuple[Outcome, str]:
    try:
        check.run(stack, deadline)
    except LeftOutError as why:
        return Outcome.LEFT_OUT, str(why)
    except UnreachableError as failure:
        unreachable.add(failure.service)
        return Outcome.FAILED, str(failure)
    except CheckError as failure:
        return Outcome.FAILED, str(failure)
    except Exception as defect:  # noqa: BLE001 - a defect of one check must not hide what the others see
        return Outcome.FAILED, f"the check itself is defective: {type(defect).__name__}: {defect}"
    return Outcome.PASSED, ""
