"""What the launcher and `make help` print is Chinese where the locale says so, in the locale's encoding."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import ROOT, chinese

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_WORDS = re.compile(r"[A-Za-z]{2,} [A-Za-z]")
# What nobody reads: patterns, commands and Docker's own words; and the help of the command line behind `make`.
_LEFT_OUT = {
    *("permission denied", "port is already allocated|address already in use|Ports are not available"),
    "[ ! -e X ] || exit 3; cat X && touch X",
    *("a service is not healthy, or a check failed", "Starts, checks and removes the stack.", "one of those below"),
    *("for load: options of the load test; for logs: services", "X takes no arguments", "make X"),
}


def sentences() -> Iterator[tuple[str, str]]:
    """Every text of the launcher that has words, with X for what is known only then, and where it is."""
    for path in sorted((ROOT / "tools" / "launcher").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in parts or not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            if isinstance(getattr(node, "value", None), bytes):
                continue
            values = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in values)
            if _WORDS.search(text) and text not in _LEFT_OUT:
                yield text, f"{path.name}:{node.lineno}"


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    given = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, check=False, timeout=60)


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chinese, "_language", "zh")


def test_each_sentence_of_the_launcher_has_its_chinese(in_chinese: None) -> None:
    found = [*sentences()]
    assert len(found) > 80
    missing = [
        f"{place}: {line!r}"
        for text, place in found
        for line in chinese.said(text).split("\n")
        if _WORDS.search(line) and not _CHINESE.search(line) and not line.startswith("modelscope download")
    ]
    assert missing == [], "add a pattern of each, and its Chinese, to tools/chinese.yaml"


def test_a_sentence_keeps_its_indentation_and_what_it_quotes(in_chinese: None) -> None:
    assert chinese.said("\nModel: iic/x, revision 1a2b\n") == "\n模型：iic/x，版本 1a2b\n"
    assert chinese.said("  gte-service      unhealthy") == "  gte-service      异常"
    assert chinese.said("not running") == "未运行"
    assert chinese.said("model            measuring the speed of fp32") == "模型             正在测量 fp32 的计算速度"
    assert chinese.said("words that no pattern knows") == "words that no pattern knows"
    fault = "/m is empty: its copy or download was interrupted. Copy it again."
    copy = "A model that is copied with this command is whole:\nget it"
    assert chinese.said(f"GTE_MODEL_DIR names /m, which can't be used:\n{fault}\n{copy}").splitlines() == [
        "GTE_MODEL_DIR 指定的 /m 无法使用：",
        "/m 是空文件：复制或下载中断，请重新复制。",
        "用以下命令可获得完整的模型：",
        "get it",
    ]


def test_english_is_the_default() -> None:
    assert chinese.said("Nothing was removed.") == "Nothing was removed."


@pytest.mark.parametrize(
    ("environ", "encoding", "expected"),
    [
        ({}, "utf-8", "No container engine answers"),
        ({"LANG": "zh_CN.UTF-8"}, "utf-8", "没有容器引擎应答"),
        ({"LC_MESSAGES": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"}, "utf-8", "没有容器引擎应答"),
        ({"LC_ALL": "zh_CN.GB18030"}, "gb18030", "没有容器引擎应答"),
        ({"LC_ALL": "zh_CN.GBK"}, "gbk", "没有容器引擎应答"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, "utf-8", "No container engine answers"),
        ({"LC_ALL": "zh_TW.Big5"}, "big5", "No container engine answers"),
        ({"LC_ALL": "zh_CN.ISO-8859-1"}, "latin-1", "No container engine answers"),
    ],
)
def test_the_locale_chooses_language_and_encoding(environ: dict[str, str], encoding: str, expected: str) -> None:
    # Not every encoding has the bird.
    away = {"PATH": "/nowhere", "DOCKER_HOST": "unix:///🐦.sock"}
    ran = run(sys.executable, "-m", "tools.launcher", "status", **environ, **away)
    assert ran.returncode == 3
    assert expected in ran.stderr.decode(encoding)
    assert b"Traceback" not in ran.stderr


def test_make_help_is_chinese_too_and_english_without_python(tmp_path: Path) -> None:
    english = run("make", "help", f"PYTHON={sys.executable}").stdout.decode().splitlines()
    lines = run("make", "help", f"PYTHON={sys.executable}", LC_ALL="zh_CN.UTF-8").stdout.decode().splitlines()
    assert len(lines) == len(english) > 25
    assert [line for line in lines if not _CHINESE.search(line)] == []
    assert [line.split()[1] for line in lines] == [line.split()[1] for line in english]
    assert len({chinese.width(re.match(r" *make \S+ +", line)[0]) for line in lines}) == 1  # type: ignore[index]
    assert run("make", "help", "PYTHON=false", LC_ALL="zh_CN.UTF-8").stdout.decode().splitlines() == english


def test_a_table_has_straight_columns_in_chinese(in_chinese: None) -> None:
    from tools.launcher.console import table

    lines = table([["SERVICE", "STATE", ""], ["gte-service", "healthy", "its metrics"]]).splitlines()
    assert lines == ["服务         状态", "gte-service  正常  服务的指标"]
