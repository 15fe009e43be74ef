"""docs/metrics.md: its table is what the contract says, and both languages say the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tools import metrics_table
from tools.metric_contract import CONTRACT, Label, Metric
from tools.metrics_table import BEGIN, END, TableError, table, with_table

CHINESE = re.compile("[\u4e00-\u9fff]")


def test_the_table_is_what_the_contract_says() -> None:
    assert metrics_table.main(["--check"]) == 0


def test_an_outdated_table_is_noticed_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "metrics.md"
    now = with_table(metrics_table.PAGE.read_text(encoding="utf-8"))
    page.write_text(now.replace("`accept`, `unread`", "`accept`"), encoding="utf-8")
    monkeypatch.setattr(metrics_table, "PAGE", page)
    assert metrics_table.main(["--check"]) == 1
    assert metrics_table.main([]) == 0
    assert page.read_text(encoding="utf-8") == now


@pytest.mark.parametrize("damage", ["missing", BEGIN, END])
def test_a_page_without_room_for_the_table_is_left_alone(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "metrics.md"
    monkeypatch.setattr(metrics_table, "PAGE", page)
    if damage != "missing":
        page.write_text(f"{BEGIN}{END}".replace(damage, ""), encoding="utf-8")
    assert metrics_table.main([]) == 1
    assert str(page) in capsys.readouterr().err


def test_two_tables_are_one_too_many() -> None:
    with pytest.raises(TableError, match="once each"):
        with_table(f"{BEGIN}{END}{BEGIN}{END}")


def test_every_change_of_the_contract_shows() -> None:
    metric = CONTRACT[0]
    changed = [
        replace(metric, name="gte_other_total"),
        replace(metric, kind="gauge"),
        replace(metric, help="Other."),
        replace(metric, help_zh="其他。"),
        replace(metric, bounds=(1.5,)),
        *(replace(metric, labels=(label,)) for label in (Label("a"), Label("a", ("b",)), Label("a", (), "c|d"))),
    ]
    assert len({table([each]) for each in (metric, *changed)}) == 9
    assert r"`c\|d`" in table(changed[-1:]), "a bar would end the cell"


@pytest.mark.parametrize("metric", CONTRACT, ids=lambda metric: metric.name)
def test_every_metric_says_in_both_languages_when_to_alert(metric: Metric) -> None:
    assert re.search(r"\. Alert .*\.$", metric.help)
    assert re.search(r"。.*告警.*。$", metric.help_zh)
    assert not CHINESE.search(metric.help)


def test_the_page_says_the_same_in_both_languages() -> None:
    page = metrics_table.PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    english, chinese = (before + rest.partition(END)[2]).split("\n## 中文\n")
    assert CHINESE.findall(english) == ["中", "文"] * 2, "only the link to the other half"
    for mark in ("^## ", "^- ", r"^\d\. ", r"^\| "):
        assert len(re.findall(mark, english, re.M)) == len(re.findall(mark.replace("## ", "### "), chinese, re.M)), mark
    assert set(re.findall(r"`[gf]\w+_\w+`", english)) == set(re.findall(r"`[gf]\w+_\w+`", chinese))
