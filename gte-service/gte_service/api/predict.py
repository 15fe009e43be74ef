"""POST /predict: one request, one task, one result."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from gte_monitoring.task_monitor import TaskMonitor
from gte_service.api.body import check_names, deadline_in, read_object
from gte_service.api.headers import request_id
from gte_service.api.request_record import recorded, request_in_flight
from gte_service.api.served_model import ServedModel
from gte_service.settings import Settings
from gte_service.tasks.fields import required
from gte_service.tasks.registry import TASKS, find_task
from gte_service.tasks.schemas import known_fields


def blueprint(settings: Settings, served: ServedModel, monitor: TaskMonitor) -> Blueprint:
    """The route, bound to a worker's model and monitor."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        deadline = deadline_in(settings.deadline_seconds)
        body = read_object(TASKS["embedding"].example, settings.max_body_bytes, deadline)
        task = find_task(required(body, "task_type"))
        # A request that gets no further than this line is counted as `unknown`.
        monitor.task_is(task.name)
        check_names(body, known_fields(task.request), f"the task {task.name}")
        model = served.for_request(deadline)
        with recorded(monitor, model):
            result = task.answer(body, model, settings.max_texts)
            return jsonify(
                result=result,
                task_type=task.name,
                model=settings.model_name,
                revision=served.revision,
                request_id=request_id(),
                elapsed_ms=round(1000 * request_in_flight().seconds, 2),
            )

    return routes
