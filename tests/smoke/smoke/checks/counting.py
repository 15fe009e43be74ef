"""Checks that a request raises exactly its own counters, as Prometheus sees them."""

from __future__ import annotations

from smoke.answers import require
from smoke.check import Check, Stack
from smoke.checks.gte_service import PREDICTION_SECONDS, TEXT, expect_error, predict
from smoke.counters import Reading, Series, compare, listing
from smoke.deadline import Deadline
from smoke.errors import CheckError
from smoke.prometheus_api import clock, read_after

# Two scrapes and the prediction between them, with room for a scrape that is late.
COUNTED_SECONDS = 25.0 + PREDICTION_SECONDS
SCRAPED = 'gte_task_requests_total{job="gte-service"}'
COUNTERS = (
    "sum by (__name__, task_type, status, reason) "
    '({__name__=~"gte_task_(requests_total|errors_total|latency_seconds_count)", job="gte-service"})'
)
# The service may count a request a moment after it has answered it.
COUNTED_LATE_SECONDS = 0.5


def _read_after(stack: Stack, moment: float, deadline: Deadline) -> Reading:
    return read_after(stack.at.prometheus, SCRAPED, moment, deadline, COUNTERS)


def _rises(expected: Reading, before: Reading, stack: Stack, sent: float, deadline: Deadline) -> None:
    wrong: list[str] = []

    def attempt() -> None:
        seen = compare(before, _read_after(stack, sent, deadline), expected)
        if seen.exact:
            return
        if seen.may_still_come:
            raise CheckError(f"expected {listing(expected)}; still lacks {listing(seen.missing)}")
        if seen.fell:
            cause = "A counter went back: a process of the service was started anew, or a replica has gone"
        else:
            cause = "Other traffic was seen, or the service counts wrongly: run again without other traffic"
        # More time can't put this right: end the polling, and fail after it.
        wrong.append(f"{cause}. Unexpected: {listing(seen.others)}; expected: {listing(expected)}")

    deadline.until(attempt)
    require(not wrong, "".join(wrong))


def _settled(stack: Stack, deadline: Deadline) -> Reading:
    """The counters with all in them that earlier checks have sent."""
    started = clock(stack.at.prometheus, deadline) + COUNTED_LATE_SECONDS
    return deadline.until(lambda: _read_after(stack, started, deadline))


def _embedding(stack: Stack, deadline: Deadline) -> None:
    before = _settled(stack, deadline)
    predict(stack, deadline, "embedding", TEXT)
    sent = clock(stack.at.prometheus, deadline)
    expected = {
        Series.of("gte_task_requests_total", task_type="embedding", status="success"): 1.0,
        Series.of("gte_task_latency_seconds_count", task_type="embedding"): 1.0,
    }
    _rises(expected, before, stack, sent, deadline)


def _unknown_task(stack: Stack, deadline: Deadline) -> None:
    before = _settled(stack, deadline)
    body = {"task_type": f"smoke-{stack.run}", "input_text": TEXT}
    expect_error(stack, deadline, body, "unknown_task", "task_type")
    sent = clock(stack.at.prometheus, deadline)
    expected = {
        Series.of("gte_task_requests_total", task_type="unknown", status="invalid"): 1.0,
        Series.of("gte_task_errors_total", task_type="unknown", reason="unknown_task"): 1.0,
        Series.of("gte_task_latency_seconds_count", task_type="unknown"): 1.0,
    }
    _rises(expected, before, stack, sent, deadline)


_BOTH = frozenset({"gte-service"})
_LOOK_AT = "docker compose logs gte-service prometheus"
CHECKS = (
    Check(
        "prometheus",
        "sees an embedding raise exactly its own counters by one",
        _embedding,
        COUNTED_SECONDS,
        _BOTH,
        _LOOK_AT,
    ),
    Check(
        "prometheus",
        "sees an unknown task counted as unknown and nowhere else",
        _unknown_task,
        COUNTED_SECONDS,
        _BOTH,
        _LOOK_AT,
    ),
)
