"""README.md and README.zh-CN.md have the same sections, commands, links and tables."""

from __future__ import annotations

import re

import pytest

from tools import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
_CODE = re.compile(r"^```\w+\n(.*?)^```", re.M | re.S)
_COMMENT = re.compile(r" *#.*")
_COMMON = {
    "headings": re.compile(r"^(#+) ", re.M),
    "rows of tables": re.compile(r"^(\|).*\|$", re.M),
    "addresses": re.compile(r"^\| (http://\S+) \|", re.M),
    "pages": re.compile(r"\]\(((?!README)[\w./-]+?)(?:\.zh-CN)?(?:\.md|\.png)?(?:#[^)]*)?\)"),
    "names": re.compile(r"`(/[\w/]+|GTE_\w+|gte_\w+|make [\w-]+)`"),
}


def commands(text: str) -> list[str]:
    return [_COMMENT.sub("", line) for block in _CODE.findall(text) for line in block.splitlines()]


def test_both_readmes_give_the_same_commands() -> None:
    assert commands(ENGLISH)
    assert commands(CHINESE) == commands(ENGLISH)


@pytest.mark.parametrize("kind", _COMMON)
def test_both_readmes_have_the_same(kind: str) -> None:
    # Sorted: a translated sentence may name things in another order.
    english, chinese = (sorted(_COMMON[kind].findall(text)) for text in (ENGLISH, CHINESE))
    assert english
    assert chinese == english
