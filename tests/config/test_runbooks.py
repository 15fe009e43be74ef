"""The runbooks: one page an alert, in both languages, naming only settings and pages that exist."""

from __future__ import annotations

import re

import pytest

from tests.config.containers import ROOT
from tests.config.promtool import ALERTS

PAGES = ROOT / "docs" / "runbooks"


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_a_runbook_in_both_languages(alert: str) -> None:
    english, chinese = (PAGES / f"{alert}.md").read_text().split("\n## 中文\n")
    assert re.findall("^#.*", english, re.M) == [
        f"# {alert}",
        "## Meaning",
        "## Impact",
        "## Diagnosis",
        "## Mitigation",
    ]
    assert re.findall("^##.*", chinese, re.M) == ["### 含义", "### 影响", "### 诊断", "### 处理"]
    assert re.search("[\u4e00-\u9fff]", english) is None


def test_every_runbook_belongs_to_an_alert() -> None:
    assert sorted(path.stem for path in PAGES.iterdir()) == sorted(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_runbook_names_only_settings_and_pages_that_exist(alert: str) -> None:
    text = (PAGES / f"{alert}.md").read_text()
    compose = (ROOT / "compose.yaml").read_text()
    assert [name for name in re.findall(r"\b(?:GTE|PROMETHEUS)_[A-Z_]+\b", text) if f"{{{name}" not in compose] == []
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (PAGES / link).is_file()] == []
