"""The service as a tutorial has it: ModelScope's pipeline behind Flask, one call a request, nothing tuned."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from flask import Flask, Response, jsonify, request

# The checkers know nothing of what only this image has.
pipeline: Any = import_module("modelscope.pipelines").pipeline
Tasks: Any = import_module("modelscope.utils.constant").Tasks

app = Flask(__name__)
embedding = pipeline(Tasks.sentence_embedding, model=os.environ.get("MODEL_DIR", "/model"), sequence_length=512)


@app.post("/predict")
def predict() -> Response:
    """Answer one text with its vector."""
    text = request.get_json()["input_text"]
    vectors = embedding(input={"source_sentence": [text]})["text_embedding"]
    return jsonify({"result": vectors[0].tolist(), "task_type": "embedding"})
