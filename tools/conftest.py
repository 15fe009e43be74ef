"""Tests read what the launcher prints in English, whatever the locale of whoever runs them."""

from __future__ import annotations

import pytest

from tools import chinese


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(chinese, "_language", chinese._NO_TRANSLATION)
