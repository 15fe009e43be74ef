"""Chinese text uses the words of the field, and the punctuation of Chinese."""

from __future__ import annotations

import re
import subprocess

import pytest

from tools import ROOT

# What reads as translated, and what an engineer writes. Reviewers found each of them once.
WORDS = {
    "烟雾测试": "冒烟测试",
    "接收器": "接收方",
    "时间分布": "耗时分布",
    "只宜": "只适合",
    "会直说": "会明确说明",
    "逐条回答": "逐条返回结果",
    "这里显示回答": "结果会显示在这里",
    "作答": "提供服务",
    "在本文中的": "在当前文本中的",
    "活得更久": "仍然保留",
    "卡住或死亡": "卡死或退出",
    "允许速度": "理论上限",
    "服务向自己提出": "自我探测",
    "房间": "模块",
}
_COUNTED = re.compile(r"(?:\d|\}\}?|多少|一|几|同一?) ?个告警")
# A comma, colon, semicolon or question mark of English between two Chinese characters.
_HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;?!:][\u4e00-\u9fff]")
# Sentences of people, not ours, and the runbooks' own test is theirs.
_LEFT_OUT = ("tests/", "tools/evaluation/sets/", "gte-service/gte_service/tasks/data/", "loadtest/texts/")
_TEXTS = (".md", ".py", ".yml", ".yaml", ".toml", ".json", ".js", ".html", ".example", ".disabled")


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout.split("\0")
    return [
        name
        for name in listed
        if name.endswith(_TEXTS)
        and not name.startswith(_LEFT_OUT)
        and "/tests/" not in name
        and re.search(r"[\u4e00-\u9fff]", (ROOT / name).read_text(encoding="utf-8"))
    ]


FILES = files()


def test_there_is_chinese_to_read() -> None:
    assert {"README.zh-CN.md", ".env.example", "grafana/boards/texts.toml", "prometheus/rules/stack.yml"} <= {*FILES}


@pytest.mark.parametrize("name", FILES)
def test_chinese_reads_as_written_by_an_engineer(name: str) -> None:
    for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{name}:{number}"
        assert [f"{word}: write {better}" for word, better in WORDS.items() if word in line] == [], where
        assert not _COUNTED.search(line), f"{where}: alerts are counted with 条"
        assert not _HALF_WIDTH.search(line), f"{where}: write ，；：？！ in Chinese"
