"""The objectives: read, refused with the reason, and written as rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import cli
from tools.objectives import __main__ as program
from tools.objectives.objectives import Objectives, ObjectivesError, seconds_of
from tools.objectives.rules import rules

TEXT = program.DATA.read_text(encoding="utf-8")


def test_the_rules_are_what_the_objectives_give() -> None:
    assert program.main(["--check"]) == cli.OK


def test_an_outdated_rule_file_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = program.RULES.read_text(encoding="utf-8")
    outdated = tmp_path / "gte-objectives.yml"
    outdated.write_text(expected.replace("0.1344", "0.1"), encoding="utf-8")
    monkeypatch.setattr(program, "RULES", outdated)
    assert program.main(["--check"]) == cli.FAILED
    assert "python3 -m tools.objectives" in capsys.readouterr().err
    assert program.main([]) == cli.OK
    assert outdated.read_text(encoding="utf-8") == expected


def test_the_factors_follow_from_budget_period_and_window() -> None:
    assert [window.factor for window in Objectives.read(TEXT).windows] == [13.44, 3.5, 1.4, 0.98]


def test_an_objective_whose_alert_could_never_fire_is_refused_with_the_reason() -> None:
    with pytest.raises(
        ObjectivesError, match=r"0\.92 the alert over 1h can never fire: it waits for 108% .* over 0\.926"
    ):
        Objectives.read(TEXT.replace("objective = 0.99", "objective = 0.92"))
    Objectives.read(TEXT.replace("objective = 0.99", "objective = 0.93"))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("seconds = 2.0", "seconds = 2.5", "2.5 s is not a bound of gte_task_latency_seconds"),
        ("objective = 0.99", "objective = 99", "99 is not between 0 and 1"),
        ('short = "5m"', 'short = "2h"', "2h and 1h must be in this order"),
        ('long = "3d"', 'long = "8d"', "shorter than 7d"),
        ('long = "6h"', 'long = "6 h"', "'6 h' is no duration"),
        ("budget = 0.08", "budget = 8", "a budget of 8 is not between 0 and 1"),
        ('severity = "warning"', 'severity = "page"', "'page' is neither critical nor warning"),
        ("floor = 10", "floor = 0", "a floor of 0 is less than 1"),
        ("floor = 10", 'floor = "many"', "wrong type"),
        ("[latency]\nobjective = 0.95\nseconds = 2.0", "", "the key 'latency' is missing"),
        ('period = "7d"', 'period = "7d', "not valid TOML"),
    ],
)
def test_what_can_not_be_watched_is_refused_with_the_reason(before: str, after: str, reason: str) -> None:
    assert before in TEXT
    with pytest.raises(ObjectivesError, match=reason):
        Objectives.read(TEXT.replace(before, after))


def test_the_program_names_the_file_that_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "objectives.toml"
    data.write_text("", encoding="utf-8")
    monkeypatch.setattr(program, "DATA", data)
    with pytest.raises(cli.UsageError, match=f"{data}: the key 'period' is missing"):
        program.main([])


def test_a_bound_that_is_no_integer_is_matched_as_it_is_stored() -> None:
    assert 'le="0.5"' in rules(Objectives.read(TEXT.replace("seconds = 2.0", "seconds = 0.5")))


@pytest.mark.parametrize(("duration", "seconds"), [("5m", 300), ("6h", 21_600), ("7d", 604_800)])
def test_a_duration_is_read(duration: str, seconds: int) -> None:
    assert seconds_of(duration) == seconds
