"""GET /openapi.json: the API's description, assembled from the code that answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

from flask import Blueprint, Response, jsonify

from gte_service import errors
from gte_service.api import openai_api
from gte_service.api.served_model import ServedModel
from gte_service.serving.status import State
from gte_service.settings import Settings
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.registry import TASKS
from gte_service.tasks.schemas import object_of

_Errors = Sequence[type[errors.RequestError]]

_BODY: _Errors = (
    errors.InvalidJson,
    errors.IncompleteBody,
    errors.SlowBody,
    errors.InvalidInput,
    errors.UnsupportedMedia,
    errors.TooLarge,
)
_MODEL: _Errors = (errors.ModelNotReady,)
_COMPUTING: _Errors = (*_MODEL, errors.Overloaded, errors.DeadlineExceeded, errors.InferenceFailed)
_SECURITY: Sequence[Schema] = ({"bearer": []}, {"apiKey": []})
_COUNT: Schema = {"type": "integer", "minimum": 0}


def blueprint(settings: Settings, served: ServedModel) -> Blueprint:
    """The route, bound to a worker's model."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        try:
            dimensions: int | None = served.for_request(math.inf).dimensions
        except errors.ModelNotReady:
            dimensions = None
        return jsonify(document(settings, dimensions))

    return routes


def document(settings: Settings, dimensions: int | None) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service.

    Args:
        settings: the service's.
        dimensions: numbers in a vector of its model, None until it is loaded.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GTE text service",
            "version": _version(),
            "description": (
                "Vectors of texts, and tasks based on them, computed by one model of the GTE family.\n\n"
                "A list as `input_text` is answered item by item: a bad item gets its own error and does not fail the "
                "rest. Every answer has the header `X-Request-ID`; the client's own (up to 64 letters, digits and "
                f"`._:-`) is kept. A body has at most {settings.max_body_bytes} bytes, a list at most "
                f"{settings.max_texts} items. For a request at most {settings.max_texts} texts and "
                f"{settings.max_tokens} tokens are computed, in at most {settings.deadline_seconds} s: labels, "
                "candidates and each sentence of a `qa` context count too, and texts up to the length that the model "
                "takes. Offsets in answers count Unicode code points."
            ),
        },
        "paths": {
            "/predict": {"post": _predict(settings)},
            openai_api.EMBEDDINGS: {"post": _embeddings(settings, dimensions)},
            "/v1/models": {"get": _models(settings)},
            "/v1/models/{name}": {"get": _model(settings)},
            "/": {"get": _page()},
            "/openapi.json": {"get": _itself()},
            "/healthz": {"get": _healthz()},
            "/readyz": {"get": _readyz()},
        },
        "components": {
            "schemas": {
                **{_name(task, "request"): _request(task, settings.max_texts) for task in TASKS.values()},
                **{_name(task, "answer"): _answer(task) for task in TASKS.values()},
                "error": _error(),
                "item_error": _item_error(),
                "model": _described_model(),
            },
            "headers": {
                "X-Request-ID": {
                    "required": True,
                    "description": "Also in the log.",
                    "schema": {"type": "string"},
                },
                "Server-Timing": {
                    "required": True,
                    "description": "Milliseconds of each part: `tokenize;dur=0.31, queue;dur=0.02, …`.",
                    "schema": {"type": "string"},
                },
                "X-Task-Type": {
                    "required": True,
                    "description": "The task that the request was counted as.",
                    "schema": {"type": "string"},
                },
                "Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "integer"}},
                "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
            },
            "parameters": {
                "request_id": {
                    "name": "X-Request-ID",
                    "in": "header",
                    "description": "Kept for the answer and the log if it has only allowed characters.",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _predict(settings: Settings) -> dict[str, Any]:
    return _guarded(
        settings,
        (*_BODY, errors.UnknownTask, *_COMPUTING),
        {
            "operationId": "predict",
            "summary": "Run one task on one text or on a list of texts.",
            "description": "\n".join(f"- `{task.name}`: {task.summary}" for task in TASKS.values()),
            "requestBody": _json_body(
                _by_task("request"),
                {name: {"summary": task.summary, "value": task.example} for name, task in TASKS.items()},
            ),
            "responses": {"200": _ok("The result.", _by_task("answer"), "Server-Timing", "X-Task-Type")},
        },
    )


def _embeddings(settings: Settings, dimensions: int | None) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    texts = {"type": "array", "items": text, "minItems": 1, "maxItems": settings.max_texts}
    names = [settings.model_name, *settings.model_aliases]
    body = {
        "type": "object",
        "properties": {
            "input": {"anyOf": [text, texts], "description": "Texts; token numbers are refused."},
            "model": {"enum": names, "description": "A name of the model; /v1/models lists them. It may be left out."},
            "encoding_format": {
                "enum": [*openai_api.ENCODING_FORMATS, None],
                "default": openai_api.ENCODING_FORMATS[0],
                "description": "base64 is of little-endian 32-bit floats.",
            },
            "dimensions": {
                **({"type": ["integer", "null"]} if dimensions is None else {"enum": [dimensions, None]}),
                "description": "Only what the model has anyway; its vectors can't be shortened.",
            },
            "user": {"description": "Ignored."},
        },
        "required": ["input"],
        "description": "Other fields, which clients of other servers send, are ignored.",
    }
    vector = {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string", "format": "byte"}]}
    answer = object_of(
        {
            "object": {"const": "list"},
            "data": {
                "type": "array",
                "items": object_of({"object": {"const": "embedding"}, "index": _COUNT, "embedding": vector}),
            },
            "model": {"type": "string"},
            "usage": object_of({"prompt_tokens": _COUNT, "total_tokens": _COUNT}),
        }
    )
    return _guarded(
        settings,
        (*_BODY, errors.UnknownModel, *_COMPUTING),
        {
            "operationId": "createEmbedding",
            "summary": "Vectors of texts, asked and answered as OpenAI's interface has it.",
            "requestBody": _json_body(body, {"texts": {"value": openai_api.example(settings)}}),
            "responses": {"200": _ok("One vector for each text, in order.", answer, "Server-Timing", "X-Task-Type")},
        },
    )


def _models(settings: Settings) -> dict[str, Any]:
    models = object_of({"object": {"const": "list"}, "data": {"type": "array", "items": _ref("model"), "minItems": 1}})
    return _guarded(
        settings,
        _MODEL,
        {
            "operationId": "listModels",
            "summary": "The model, once for each of its names.",
            "responses": {"200": _ok("The names.", models)},
        },
    )


def _model(settings: Settings) -> dict[str, Any]:
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "Slashes may be sent as they are, or as %2F.",
        "schema": {"enum": [settings.model_name, *settings.model_aliases]},
    }
    return _guarded(
        settings,
        (errors.UnknownModel, *_MODEL),
        {
            "operationId": "retrieveModel",
            "summary": "The model, by one of its names.",
            "parameters": [name],
            "responses": {"200": _ok("The model.", _ref("model"))},
        },
    )


def _page() -> dict[str, Any]:
    html = {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    return {"operationId": "page", "summary": "A page to try the tasks on.", "responses": {"200": html}}


def _itself() -> dict[str, Any]:
    answer = _ok("This document.", {"type": "object", "required": ["openapi", "info", "paths"]})
    return {"operationId": "openapi", "summary": "This document.", "responses": {"200": answer}}


def _healthz() -> dict[str, Any]:
    answer = _ok("It is alive.", object_of({"status": {"const": "alive"}}))
    return {"operationId": "healthz", "summary": "Whether the process is alive.", "responses": {"200": answer}}


def _readyz() -> dict[str, Any]:
    def state(states: Iterable[str]) -> Schema:
        return object_of(
            {
                "status": {"enum": list(states)},
                "detail": {"type": "string", "description": "The current step, or the problem and its remedy."},
                "model": {"type": "string"},
                "revision": {"type": "string", "description": "The revision of the weights; empty until known."},
                "demo": {"type": "boolean", "description": "Whether it is the demo model."},
                "workers_ready": _COUNT,
                "downloaded_bytes": _COUNT,
                "total_bytes": _COUNT,
            }
        )

    states = get_args(State)
    return {
        "operationId": "readyz",
        "summary": "Whether the service can answer, and if not, why.",
        "responses": {
            "200": _ok("Ready.", state(["ready"])),
            "503": _ok("Not ready.", state(name for name in states if name != "ready"), "Retry-After"),
        },
    }


def _guarded(settings: Settings, possible: _Errors, operation: Mapping[str, Any]) -> dict[str, Any]:
    """An operation with its possible errors, and with its API keys where they are configured."""
    parameters = [*operation.get("parameters", ()), {"$ref": "#/components/parameters/request_id"}]
    security: dict[str, Any] = {}
    if settings.api_keys:
        possible = (*possible, errors.Unauthorized)
        security = {"security": list(_SECURITY)}
    responses = {**operation["responses"], **_refusals(possible)}
    return {**operation, "parameters": parameters, "responses": responses, **security}


def _refusals(possible: _Errors) -> dict[str, Any]:
    """The error answers, by HTTP status."""
    by_status: dict[int, list[type[errors.RequestError]]] = {}
    for kind in possible:
        by_status.setdefault(kind.status, []).append(kind)
    extra = {401: "WWW-Authenticate", 503: "Retry-After"}
    return {
        str(status): _ok(
            "\n".join(f"- `{kind.code}`: {(kind.__doc__ or '').splitlines()[0]}" for kind in kinds),
            {
                "allOf": [_ref("error")],
                "properties": {"error": {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}},
            },
            *[extra[status]] if status in extra else [],
        )
        for status, kinds in sorted(by_status.items())
    }


def _request(task: Task, max_texts: int) -> Schema:
    return {"title": f"{task.name}: request", "description": task.summary, **_bounded(task.request, max_texts)}


def _bounded(schema: Schema, max_texts: int) -> Schema:
    """A request's schema with `max_texts` as the limit of lists that have none; lists in lists are unchanged."""
    if schema.get("type") == "array":
        return {"maxItems": max_texts, **schema}
    inner: dict[str, Any] = {
        name: [_bounded(form, max_texts) for form in schema[name]] for name in ("oneOf", "anyOf") if name in schema
    }
    if "properties" in schema:
        inner["properties"] = {name: _bounded(value, max_texts) for name, value in schema["properties"].items()}
    return {**schema, **inner}


def _answer(task: Task) -> Schema:
    item_result = {"anyOf": [task.result, _ref("item_error")]}
    properties: dict[str, Schema] = {
        "result": {"anyOf": [task.result, {"type": "array", "items": item_result, "minItems": 1}]},
        "task_type": {"const": task.name},
        "model": {"type": "string", "description": "The model that answered."},
        "revision": {"type": "string", "pattern": "^[0-9a-f]{12}$", "description": "The revision of its weights."},
        "request_id": {"type": "string", "minLength": 1},
        "elapsed_ms": {"type": "number", "minimum": 0},
    }
    return {"title": f"{task.name}: answer", **object_of(properties)}


def _by_task(kind: str) -> Schema:
    names = {task.name: f"#/components/schemas/{_name(task, kind)}" for task in TASKS.values()}
    return {
        "oneOf": [{"$ref": reference} for reference in names.values()],
        "discriminator": {"propertyName": "task_type", "mapping": names},
    }


def _error() -> Schema:
    return object_of(
        {
            "error": object_of(
                {
                    "code": {"type": "string", "description": "Identifies the kind of error for programs."},
                    "message": {"type": "string", "minLength": 1, "description": "The problem and its remedy."},
                    "field": {"type": ["string", "null"], "description": "The wrong field, if it is one."},
                    "request_id": {"type": "string", "minLength": 1},
                }
            )
        }
    )


def _item_error() -> Schema:
    properties: dict[str, Schema] = {
        "code": {"type": "string"},
        "message": {"type": "string", "minLength": 1},
        "field": {"type": ["string", "null"]},
    }
    return {"description": "Takes the place of a bad item's result.", **object_of({"error": object_of(properties)})}


def _described_model() -> Schema:
    return object_of(
        {
            "id": {"type": "string"},
            "object": {"const": "model"},
            "created": {**_COUNT, "description": "When its files were prepared, in Unix seconds."},
            "owned_by": {"type": "string"},
        }
    )


def _json_body(schema: Schema, examples: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": dict(examples)}}}


def _ok(description: str, schema: Schema, *more_headers: str) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *more_headers)}
    return {"description": description, "headers": headers, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _name(task: Task, kind: str) -> str:
    return f"{task.name}_{kind}"


def _version() -> str:
    try:
        return version("gte-service")
    except PackageNotFoundError:
        return "unknown"
