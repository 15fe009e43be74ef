"""GTE behind Flask, as a tutorial has it: one route, eight tasks. It knows nothing of how it is watched."""

from flask import Flask, Response, jsonify, request

# With the real model these two names come from modelscope: modelscope.utils.constant and modelscope.pipelines.
from stand_in import Tasks, pipeline

# What a text is compared with, by task.
LABELS = {
    "sentiment": ["正面", "负面", "中性"],
    "classification": ["科技", "体育", "财经", "娱乐"],
    "ner": ["人名", "地名", "机构名"],
    "relation": ["出生于", "任职于", "位于"],
    "event": ["比赛", "会议", "收购"],
}
TASK_TYPES = ["embedding", "similarity", "qa", *LABELS]

app = Flask(__name__)
model = pipeline(Tasks.sentence_embedding, model="iic/nlp_gte_sentence-embedding_chinese-large")


def embed(text: str) -> list[float]:
    """The vector of a text."""
    return [float(number) for number in model(input={"source_sentence": [text]})["text_embedding"][0]]


def compare(text: str, others: list[str]) -> list[float]:
    """How like a text is to each of some others."""
    scores = model(input={"source_sentence": [text], "sentences_to_compare": others})["scores"]
    return [float(score) for score in scores]


def nearest(text: str, others: list[str]) -> dict[str, object]:
    """The one of some texts that is most like a text."""
    score, best = max(zip(compare(text, others), others, strict=True))
    return {"answer": best, "score": score}


def run_task(task_type: str, text: str) -> object:
    """The result of a task; a ValueError says what is wrong with the text."""
    if task_type == "embedding":
        return embed(text)
    if task_type in LABELS:
        return nearest(text, LABELS[task_type])
    first, bar, second = text.partition("|")
    if not (first and bar and second):
        raise ValueError(f"{task_type} 的 input_text 须为用 | 分隔的两段文本")
    if task_type == "similarity":
        return compare(first, [second])[0]
    return nearest(second, [sentence for sentence in first.split("。") if sentence] or [first])


@app.post("/predict")
def predict() -> tuple[Response, int] | Response:
    """Run one task on one text."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        return jsonify(error="请求体须为 JSON 对象"), 400
    task_type, text = body.get("task_type"), body.get("input_text")
    if task_type not in TASK_TYPES:
        return jsonify(error=f"未知的 task_type：{task_type}"), 400
    if not isinstance(text, str) or not text:
        return jsonify(error="缺少 input_text"), 400
    try:
        result = run_task(task_type, text)
    except ValueError as error:
        return jsonify(error=str(error)), 400
    return jsonify(task_type=task_type, result=result)


@app.get("/health")
def health() -> Response:
    """Say that the app runs."""
    return jsonify(status="ok")


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=5000)
