"""GET /: a page to try every task on, which also names the model and its state."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from markupsafe import Markup

from gte_service.api.chinese import chinese_messages, in_chinese
from gte_service.api.served_model import ServedModel
from gte_service.settings import Settings
from gte_service.tasks.protocol import Task
from gte_service.tasks.registry import TASKS

_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # noqa: E501
_LANGUAGES = ("en", "zh")
# English title, Chinese title, Chinese summary; the English summary is the task's own. A task that isn't listed is
# shown by its name and its own summary.
_WORDS = {
    "embedding": ("Embedding", "文本向量", "将文本转换为长度为 1 的向量；输入多行时还会给出两两之间的余弦相似度。"),
    "similarity": (
        "Similarity",
        "相似度",
        "计算两段文本的余弦相似度，或一段文本与各候选的相似度及排名。得分只适合相互比较，不宜与固定阈值比较。",
    ),
    "sentiment": ("Sentiment", "情感分析", "判断文本的情感倾向，并给出每个标签的得分。"),
    "classification": ("Classification", "文本分类", "判断文本所属的类别；可以使用自定义标签。"),
    "qa": ("Question answering", "问答", "在一段文字中查找问题的答案；找不到时会明确说明。"),
    "ner": ("Named entities", "实体识别", "识别文本中的人名、地名、机构、时间等实体。"),
    "relation": ("Relations", "关系抽取", "抽取实体之间的关系：主体、关系、客体。"),
    "event": ("Events", "事件抽取", "抽取文本中的事件：触发词，以及各角色对应的参与者、地点和时间。"),
}


def blueprint(settings: Settings, served: ServedModel) -> Blueprint:
    """The page; its scripts and style come from /static."""
    routes = Blueprint("page", __name__)

    @routes.get("/")
    def page() -> Response:
        language = _language()
        response = make_response(
            render_template(
                "page.html",
                language=language,
                settings=settings,
                readiness=(readiness := served.readiness()),
                detail=in_chinese(readiness.detail) if language == "zh" else readiness.detail,
                messages=list(chinese_messages().items()) if language == "zh" else [],
                keys_needed=bool(settings.api_keys),
                tasks=[_described(task, language) for task in _in_order()],
                as_data=_as_data,
            )
        )
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes


def _in_order() -> list[Task]:
    """The tasks in the order of `_WORDS`, then all others."""
    order = list(_WORDS)
    return sorted(TASKS.values(), key=lambda task: order.index(task.name) if task.name in order else len(order))


def _language() -> str:
    """The language of `?lang=`, otherwise the browser's."""
    requested = request.args.get("lang")
    return requested if requested in _LANGUAGES else request.accept_languages.best_match(_LANGUAGES, default="en")


def _described(task: Task, language: str) -> dict[str, Any]:
    """A task for the page's script."""
    english, chinese, summary = _WORDS.get(
        task.name, (task.name.replace("_", " ").capitalize(), task.name, task.summary)
    )
    return {
        "name": task.name,
        "title": chinese if language == "zh" else english,
        "summary": summary if language == "zh" else task.summary,
        "example": task.example,
        "fields": [
            {name: schema for name, schema in form["properties"].items() if name != "task_type"}
            for form in task.request.get("oneOf", [task.request])
        ],
    }


def _as_data(value: object) -> Markup:
    """JSON for a script element, which nothing in it can end."""
    return Markup(json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"))  # noqa: S704
