"""What is asked for is checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench.options import NAMES, read_options
from tools.bench.services import default_topologies
from tools.cli import UsageError


def test_by_default_everything_is_compared() -> None:
    options = read_options([])
    assert (options.texts, options.rounds, options.clients, options.shape) == (64, 3, (1, 8, 32), "full")
    assert options.candidates == NAMES
    assert "infinity" in options.engines
    assert options.services == ["ours-fp32", "ours-int8", "tutorial", "infinity"]
    assert options.topologies is None
    assert options.start_seconds == 180


def test_quick_is_small_unless_told_otherwise() -> None:
    quick = read_options(["--quick"])
    assert (quick.texts, quick.rounds, quick.clients) == (8, 1, (1, 8))
    assert read_options(["--quick", "--clients", "32"]).clients == (32,)
    assert (read_options(["--quick", "--rounds", "2"]).texts, read_options(["--quick", "--rounds", "2"]).rounds) == (
        8,
        2,
    )


def test_parts_and_candidates_choose_together() -> None:
    options = read_options(["--candidates", "ours-fp32,tutorial,plain", "--parts", "http"])
    assert options.engines == []
    assert options.services == ["ours-fp32", "tutorial"]


def test_topologies_are_named_or_left_to_the_cpus() -> None:
    assert read_options(["--topologies"]).topologies == ()
    assert read_options(["--topologies", "1x2,2x1"]).topologies == ((1, 2), (2, 1))


def test_the_topologies_of_a_machine_are_different_ones() -> None:
    assert default_topologies(2) == [(1, 2), (2, 1), (2, 2)]
    assert default_topologies(8) == [(1, 8), (2, 4), (8, 1), (2, 8)]
    assert default_topologies(1) == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--texts", "0"], "'0' is not a whole number from 1 to"),
        (["--texts", "many"], "'many' is not a whole number"),
        (["--texts", "9999"], "'9999' is not a whole number"),
        (["--rounds", "-1"], "is not a whole number from 1 to"),
        (["--rounds", "51"], "is not a whole number from 1 to 50"),
        (["--clients", "1,0"], "'0' is not a whole number"),
        (["--clients", "8,8"], "'8,8' names something twice"),
        (["--clients", "129"], "from 1 to 128"),
        (["--clients", ""], "'' is not a whole number"),
        (["--candidates", "ours"], "'ours' is none of ours-fp32, "),
        (["--parts", "grpc"], "'grpc' is none of engine, http"),
        (["--shape", "small"], "invalid choice"),
        (["--start-seconds", "0"], "'0' is not a whole number"),
        (["--seed", "x"], "'x' is not a whole number"),
        (["--topologies", "2"], "'2' is not WORKERSxTHREADS"),
        (["--topologies", "0x2"], "'0' is not a whole number from 1 to 64"),
        (["--topologies", "1x2,1x2"], "names something twice"),
        (["--precision", "fp8"], "invalid choice"),
        (["--round", "2"], "unrecognized arguments"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_choice_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="leave nothing to compare"):
        read_options(["--candidates", "tutorial", "--parts", "engine"])


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        read_options(["--out", str(tmp_path / "out")])
