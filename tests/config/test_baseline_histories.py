"""The baseline's rules on two days of simulated requests; `python3 -m tests.config.histories` is the long form."""

from __future__ import annotations

from functools import cache

import pytest

from tests.config.containers import needs_engine
from tests.config.histories import DAY, Found, ask_the_rules, kept

pytestmark = needs_engine

SEED = 1
# On the second day: early, near the peak of the daily wave, and in between.
INCIDENTS = tuple(DAY + 60 * hour + 7 for hour in (6, 13, 20))


@cache
def found() -> dict[str, Found]:
    return ask_the_rules(2, INCIDENTS, 0.3, SEED)


@pytest.mark.parametrize("history", ["steady", "wave", "nightly"])
def test_a_p95_at_twice_its_median_is_found_in_20_minutes_and_little_else(history: str) -> None:
    assert kept(history, found()[history])


# The P95 of 30 requests swings by a fifth: it doesn't stay at twice its median.
def test_in_thin_traffic_it_is_found_within_the_hour() -> None:
    assert kept("thin", found()["thin"])


# The first Sunday can't be known. The second day is one.
def test_the_first_busy_sunday_is_one_alarm() -> None:
    assert found()["sundays"].false_alarms == 1


def test_a_task_with_less_than_20_requests_in_five_minutes_is_never_reported() -> None:
    assert kept("too_thin", found()["too_thin"])
