"""Each page in Chinese has the sections, commands, links, tables and figures of its English page."""

from __future__ import annotations

import re

import pytest

from tools import ROOT

_CODE = re.compile(r"^```\w+\n(.*?)^```", re.M | re.S)
_COMMENT = re.compile(r" *#.*")
_COMMON = {
    "headings": re.compile(r"^(#+) ", re.M),
    "rows of tables": re.compile(r"^(\|).*\|$", re.M),
    "addresses": re.compile(r"^\| (http://\S+) \|", re.M),
    "pages": re.compile(r"\]\(((?!README)[\w./-]+?)(?:\.zh-CN)?(?:\.md|\.png)?(?:#[^)]*)?\)"),
    "names": re.compile(r"`(/[\w/]+|(?:GTE|ALERT_INBOX|DASHBOARD_VIEWER)_\w+|gte_\w+|make [\w-]+)`"),
}
# Not those inside a word or a path.
_FIGURE = re.compile(r"(?<![\w./-])\d+(?:[.,]\d+)*(?![\w-])(?!\.\d)")
PAGES = sorted(
    str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("README.zh-CN.md") if ".venv" not in path.parts
)
_LINK = re.compile(r"\]\((?!https?:)([^)#]*\.md)(#[^)]*)?\)(（英文）)?")
CHINESE_CHARACTER = re.compile(r"[\u4e00-\u9fff]")


def pair(page: str) -> tuple[str, str]:
    english, chinese = ((ROOT / page / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    return english, chinese


def commands(text: str) -> list[str]:
    return [_COMMENT.sub("", line).rstrip() for block in _CODE.findall(text) for line in block.splitlines()]


def test_there_are_chinese_pages() -> None:
    assert {".", "gte-service", "gte-monitoring", "alertmanager/inbox", "offline", "tools"} <= set(PAGES)
    assert all(kind.findall(pair(".")[0]) for kind in (*_COMMON.values(), _FIGURE))
    assert commands(pair(".")[0])


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_give_the_same_commands(page: str) -> None:
    english, chinese = map(commands, pair(page))
    assert chinese == english


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", _COMMON)
def test_both_languages_have_the_same(kind: str, page: str) -> None:
    # Sorted: a translated sentence may name things in another order.
    english, chinese = (sorted(_COMMON[kind].findall(text)) for text in pair(page))
    assert chinese == english


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_figures(page: str) -> None:
    english, chinese = (set(_FIGURE.findall(text)) for text in pair(page))
    assert chinese == english


@pytest.mark.parametrize("page", PAGES)
def test_a_chinese_page_links_to_chinese_ones_or_says_that_a_page_is_english(page: str) -> None:
    text = pair(page)[1]
    links = [found for found in _LINK.finditer(text) if found[1] != "README.md"]
    for link in links:
        assert (ROOT / page / link[1]).exists(), link[0]
        is_chinese = ".zh-CN." in link[1] or (link[2] and CHINESE_CHARACTER.search(link[2]))
        assert is_chinese or link[3], f"{link[0]} leads to English: add （英文） behind it, or translate the page"
