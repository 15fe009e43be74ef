"""Moments and options are read as people write them, and what can't be used is refused with a reason."""

from __future__ import annotations

import pytest

from tools.reconcile.errors import UsageError
from tools.reconcile.moments import read_moment, say_moment
from tools.reconcile.options import Options, read_options

NOW = read_moment("2026-11-22T10:00:00Z")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-11-22T10:00:00.123456+00:00", 0.123456),
        ("2026-11-22T10:00:00Z", 0.0),
        ("2026-11-22t10:00:00z", 0.0),
        ("2026-11-22 18:00:00.5+08:00", 0.5),
        ("2026-11-22T04:30:00-05:30", 0.0),
        ("2026-11-22T10:00:01.123456789Z", 1.123456789),
    ],
)
def test_a_moment_is_read_in_every_form_of_the_standard(text: str, after: float) -> None:
    assert read_moment(text) == pytest.approx(NOW + after, abs=1e-6)


def test_the_moment_of_a_container_that_never_started_is_read() -> None:
    assert read_moment("0001-01-01T00:00:00Z") < 0


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-22", "2026-11-22T10:00:00", "2026-13-22T10:00:00Z", "1795341600", "2026-11-22T10:00Z"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_moment(text)


def test_a_moment_is_said_to_the_millisecond() -> None:
    assert say_moment(NOW + 0.12345) == "2026-11-22T10:00:00.123Z"


def test_without_options_the_last_ten_minutes_are_compared() -> None:
    assert read_options([], NOW) == Options(NOW - 600, NOW, json=False)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("3h", 10800), ("1d", 86400)])
def test_a_range_can_be_given_by_how_long_ago_it_was(text: str, seconds: int) -> None:
    assert read_options(["--since", text, "--until", "1s", "--json"], NOW) == Options(NOW - seconds, NOW - 1, json=True)


def test_a_range_can_be_given_by_moments() -> None:
    options = read_options(["--since", "2026-11-22T09:00:00Z", "--until", "2026-11-22T17:30:00+08:00"], NOW)
    assert (options.since, options.until) == (NOW - 3600, NOW - 1800)


def test_the_future_is_not_waited_for() -> None:
    assert read_options(["--until", "2026-11-22T11:00:00Z"], NOW).until == NOW


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "--since 'yesterday' is no moment. Write an RFC 3339 time"),
        (["--until", "2026-11-22T09:00:00"], "--until '2026-11-22T09:00:00' is no moment"),
        (["--since", "1m", "--until", "2m"], "is empty: --since must be before --until"),
        (["--since", "2026-11-22T10:00:01Z"], "is empty"),
    ],
)
def test_what_is_no_range_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_options(arguments, NOW)


def test_an_unknown_option_ends_with_2() -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(["--from", "1m"], NOW)
    assert ended.value.code == 2
