"""The Chinese page says every error in Chinese."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import gte_service
from conftest import Service
from gte_service import errors
from gte_service.api.chinese import chinese_messages, in_chinese

PACKAGE = Path(gte_service.__file__).parent
REQUEST_ERRORS = {name for name, kind in vars(errors).items()
                  if isinstance(kind, type) and issubclass(kind, errors.RequestError)}  # fmt: skip
# Why there is no model, as /readyz says.
MODEL_ERRORS = {name for name, kind in vars(errors).items()
                if isinstance(kind, type) and issubclass(kind, errors.ModelError)}  # fmt: skip
# `report` is told each step on the way to a model, which the page shows too.
SHOWN = REQUEST_ERRORS | MODEL_ERRORS | {"report"}
# The page asks /predict.
OTHERS = {"openai_api.py"}
BAD: list[tuple[object, str]] = [
    ({"task_type": "embeding", "input_text": "x"}, "任务 'embeding' 不存在。您是不是想写“embedding”？可用的任务："),
    ({"task_type": "1234", "input_text": "x"}, "任务 '1234' 不存在。可用的任务："),
    ({"task_type": "ner"}, "缺少字段“input_text”。"),
    ({"task_typ": "ner"}, "缺少字段“task_type”。是否误写成了“task_typ”？"),
    ({"task_type": "ner", "input_text": []}, "input_text 是空列表，请至少填写一项。"),
    ({"task_type": "ner", "input_text": {}}, "input_text 应为字符串，而不是对象。"),
    ({"task_type": "ner", "input_txt": "x"}, "任务 ner 没有字段“input_txt”。您是不是想写“input_text”？可用的字段："),
    (
        {"task_type": "ner", "input_text": "x", "types": [{"lable": "y"}]},
        "types[0] 含有未知字段 'lable'。您是不是想写“label”？",
    ),
    ({"task_type": "qa", "input_text": "没有竖线"}, "input_text 应为“上下文|问题”，中间只有一个 |。"),
    ({"task_type": "similarity", "input_text": ["一", "二", "三"]}, "input_text 应恰好包含两条文本。"),
    ({"task_type": "embedding", "input_text": ["x"] * 2049}, "input_text 有 2049 项，一次请求最多 2048 项。"),
    (["no object"], "请求体应为 JSON 对象，而不是列表。示例：{"),
]


def messages_in_code() -> Iterator[tuple[str, str]]:
    """Every message of an error that the page may show, with X for what is known only then, and where it is."""
    for path in sorted(path for path in PACKAGE.rglob("*.py") if path.name not in OTHERS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SHOWN:
                for argument in node.args:
                    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
                    constants = [part.value if isinstance(part, ast.Constant) else "X" for part in parts]
                    if constants != ["X"]:
                        yield "".join(map(str, constants)), f"{path.relative_to(PACKAGE)}:{node.lineno}"


@pytest.mark.parametrize(("message", "place"), list(messages_in_code()))
def test_every_message_that_the_page_may_show_has_its_chinese(message: str, place: str) -> None:
    assert in_chinese(message) != message, f"{place}: no pattern in api/chinese.yaml matches"


def test_every_code_has_its_chinese() -> None:
    for code in {getattr(errors, name).code for name in REQUEST_ERRORS} - {errors.UnknownModel.code}:
        assert in_chinese(code) != code, code


@pytest.mark.parametrize(("body", "expected"), BAD)
def test_what_the_api_answers_is_said_in_chinese(service: Service, body: object, expected: str) -> None:
    message = service.ask("/predict", body).json["error"]["message"]
    assert in_chinese(message).startswith(expected)


def test_a_model_that_fails_says_why_and_when_it_is_tried_again_in_chinese() -> None:
    said = "the model folder /model lacks config.json and vocab.txt: copy the whole model there."
    assert in_chinese(f"{said} Next try in 8 s.") == (
        "模型目录 /model 缺少 config.json and vocab.txt，请将模型完整复制到该目录。8 秒后重试。"
    )


def test_words_of_the_client_are_left_as_they_are() -> None:
    assert in_chinese("labels has the label '$1 a list' twice. Send each label once.") == (
        "labels 中标签 '$1 a list' 重复，每个标签只能出现一次。"
    )
    assert in_chinese("what no pattern matches") == "what no pattern matches"


def test_the_page_has_the_patterns_only_where_it_is_chinese(service: Service) -> None:
    for language, expected in (("zh", list(map(list, chinese_messages().items()))), ("en", [])):
        page = service.ask(f"/?lang={language}").text
        data = re.search(r'id="page-data">(.*?)</script>', page, re.DOTALL)
        assert data
        assert json.loads(data[1])["messages"] == expected


@pytest.mark.skipif(shutil.which("node") is None, reason="no node, which runs the page's script; test_page.py does too")
def test_the_browser_reads_the_patterns_as_this_does(tmp_path: Path) -> None:
    messages = [message for message, _ in messages_in_code()]
    data = {"messages": list(chinese_messages().items())}
    script = f"""
globalThis.document = {{
  documentElement: {{ lang: "zh-CN" }},
  getElementById: () => ({{ textContent: {json.dumps(json.dumps(data))} }}),
}};
const {{ translated }} = await import({json.dumps((PACKAGE / "api" / "static" / "words.js").as_uri())});
const said = {json.dumps(messages)}.map((message) => translated(message));
console.log(JSON.stringify([...said, translated("of no pattern", "too_large"), translated("")]));
"""
    (tmp_path / "ask.mjs").write_text(script)
    done = subprocess.run(["node", str(tmp_path / "ask.mjs")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [*map(in_chinese, messages), "请求过大（原文：of no pattern）", ""]
