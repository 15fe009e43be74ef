"""The links of the project's Markdown pages."""

from __future__ import annotations

import re

import pytest

from tests.config.documents import documents
from tools import ROOT

_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", documents())
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    links = _LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
