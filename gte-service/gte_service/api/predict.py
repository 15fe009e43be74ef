"""POST /predict: one request, one task, one result."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flask import Blueprint, Response, jsonify

from gte_monitoring.task_monitor import TaskMonitor, current
from gte_service.api.body import check_names, read_object
from gte_service.api.headers import request_id
from gte_service.api.measured import record, record_rest
from gte_service.engine.encoder import Encoded
from gte_service.serving.model_holder import ModelHolder
from gte_service.settings import Settings
from gte_service.tasks.fields import required
from gte_service.tasks.model import Model
from gte_service.tasks.registry import TASKS, find_task
from gte_service.tasks.schemas import known_fields


def blueprint(settings: Settings, holder: ModelHolder, monitor: TaskMonitor) -> Blueprint:
    """The route, bound to a worker's model and monitor."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        deadline = time.monotonic() + settings.deadline_seconds
        body = read_object(TASKS["embedding"].example, settings.max_body_bytes, deadline)
        task_type = required(body, "task_type")
        monitor.task_is(task_type)
        task = find_task(task_type)
        check_names(body, known_fields(task.request), f"the task {task.name}")
        encoder = holder.encoder()

        def encode(texts: Sequence[str], *, token_vectors: bool = False) -> Encoded:
            return record(monitor, encoder.encode(texts, deadline, token_vectors))

        result = task.answer(body, Model(encode, holder.prototypes, holder.cache), settings.max_texts)
        response = jsonify(
            result=result,
            task_type=task.name,
            model=settings.model_name,
            revision=holder.revision,
            request_id=request_id(),
            elapsed_ms=round(1000 * current().seconds, 2),
        )
        record_rest(monitor)
        return response

    return routes
