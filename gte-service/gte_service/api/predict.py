"""POST /predict: one request, one task, one result."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import torch
from flask import Blueprint, Response, jsonify, request

from gte_service.api.headers import request_id
from gte_service.api.model_holder import ModelHolder
from gte_service.engine.encoder import Encoded
from gte_service.errors import InvalidJson
from gte_service.monitoring.task_monitor import TaskMonitor, current
from gte_service.settings import Settings
from gte_service.tasks.fields import kind_of, required
from gte_service.tasks.model import Model
from gte_service.tasks.registry import find_task


def blueprint(settings: Settings, holder: ModelHolder, monitor: TaskMonitor) -> Blueprint:
    """The route, bound to a worker's model and monitor."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        deadline = time.monotonic() + settings.deadline_seconds
        body = _json_object(request.get_data())
        task_type = required(body, "task_type")
        monitor.task_is(task_type)
        task = find_task(task_type)
        encoder = holder.encoder()

        def encode(texts: Sequence[str]) -> Encoded:
            encoded = encoder.encode(texts, deadline)
            monitor.phase("tokenize", encoded.tokenize_seconds)
            monitor.phase("queue", encoded.queue_seconds)
            monitor.phase("inference", encoded.inference_seconds)
            monitor.volume(encoded.tokens, encoded.truncated, encoded.batch_tokens)
            return encoded

        result = task.answer(body, Model(encode, torch.empty(0)), settings.max_texts)
        measured = current()
        inside = sum(measured.phases.values())
        response = jsonify(
            result=result,
            task_type=task.name,
            model=settings.model_name,
            revision=holder.revision,
            request_id=request_id(),
            elapsed_ms=round(1000 * measured.seconds, 2),
        )
        monitor.phase("postprocess", measured.seconds - inside)
        return response

    return routes


def _json_object(data: bytes) -> dict[str, Any]:
    example = '{"task_type": "embedding", "input_text": "一段文字"}'
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"the body is not JSON ({error}). Send for example {example}.") from error
    if not isinstance(body, dict):
        raise InvalidJson(f"the body must be a JSON object, not {kind_of(body)}. Send for example {example}.")
    return body
