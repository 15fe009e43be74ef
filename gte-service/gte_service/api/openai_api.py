"""POST /v1/embeddings and GET /v1/models, compatible with clients of OpenAI's interface.

The protocol is OpenAI's, and its clients send fields of other servers besides: a field that is not known here changes
nothing. A known field is taken seriously: a vector of another length than asked for would be an error in silence.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.routing import BaseConverter

from gte_monitoring.task_monitor import TaskMonitor
from gte_service.api.body import deadline_in, read_object
from gte_service.api.request_record import recorded
from gte_service.api.served_model import ServedModel
from gte_service.errors import InvalidInput, UnknownModel
from gte_service.settings import Settings
from gte_service.tasks.fields import kind_of, list_of, required

EMBEDDINGS = "/v1/embeddings"
ENCODING_FORMATS = ("float", "base64")


class _ModelName(BaseConverter):
    """Any name, even one that begins with a slash: the name of a local model is its folder's path."""

    regex = ".+"
    part_isolating = False


def blueprint(settings: Settings, served: ServedModel, monitor: TaskMonitor) -> Blueprint:
    """The routes, bound to a worker's model and monitor."""
    routes = Blueprint("openai", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(model_name=_ModelName))
    names = (settings.model_name, *settings.model_aliases)

    @routes.post(EMBEDDINGS)
    def embeddings() -> Response:
        deadline = deadline_in(settings.deadline_seconds)
        body = read_object(example(settings), settings.max_body_bytes, deadline)
        # OpenAI's own refuses a body without it, but has many models to choose from.
        _check_model(body.get("model", settings.model_name), "model", names)
        texts = _texts(required(body, "input"), settings.max_texts)
        as_base64 = _encoding_format(body) == "base64"
        loaded = served.for_request(deadline)
        _check_dimensions(body.get("dimensions"), loaded.dimensions)
        with recorded(monitor, loaded):
            vectors = loaded.encode(texts).vectors.numpy().astype("<f4")
            return jsonify(
                object="list",
                data=[
                    {
                        "object": "embedding",
                        "index": index,
                        "embedding": base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist(),
                    }
                    for index, vector in enumerate(vectors)
                ],
                model=settings.model_name,
                usage={"prompt_tokens": loaded.tokens, "total_tokens": loaded.tokens},
            )

    @routes.get("/v1/models")
    def models() -> Response:
        return jsonify(object="list", data=[described(name) for name in names])

    @routes.get("/v1/models/<model_name:name>")
    def model(name: str) -> Response:
        _check_model(name, None, names)
        return jsonify(described(name))

    def described(name: str) -> dict[str, Any]:
        # Answers 503 while no model is loaded.
        served.for_request(math.inf)
        owner = settings.model.partition("/")[0] if "/" in settings.model and not settings.model_dir else "local"
        return {"id": name, "object": "model", "created": served.prepared_at, "owned_by": owner}

    return routes


def example(settings: Settings) -> Mapping[str, Any]:
    """A body for POST /v1/embeddings that works."""
    return {"model": settings.model_name, "input": ["今天天气很好", "股市大跌"]}


def _check_model(name: object, field: str | None, names: Sequence[str]) -> None:
    if not isinstance(name, str):
        raise InvalidInput(f'"model" must be a string, not {kind_of(name)}. Send {names[0]!r}.', field=field)
    if name not in names:
        raise UnknownModel(
            f"the model {name[:80]!r} is not served here. Send {names[0]!r}; vectors of another model can't be "
            "compared with its vectors. If a client can't send that name, the operator can add "
            "the name that it sends to GTE_MODEL_ALIASES.",
            field=field,
        )


def _texts(value: object, max_texts: int) -> list[str]:
    if isinstance(value, str):
        return [_text(value, "input")]
    if isinstance(value, list) and (_are_tokens(value) or any(map(_are_tokens, value))):
        raise InvalidInput(
            "input holds token numbers, which belong to another tokenizer than this model's. Send the texts "
            "themselves; with LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False.",
            field="input",
        )
    if not isinstance(value, list):
        raise InvalidInput(f"input must be a string or a list of strings, not {kind_of(value)}.", field="input")
    return [_text(item, f"input[{number}]") for number, item in enumerate(list_of(value, "input", max_texts))]


def _text(value: object, field: str) -> str:
    """A text. OpenAI refuses an empty one and takes a blank one, such as the line break between two paragraphs."""
    if not isinstance(value, str):
        raise InvalidInput(f"{field} must be a string, not {kind_of(value)}.", field=field)
    if not value:
        raise InvalidInput(f"{field} is empty. Send a text with at least one character.", field=field)
    return value


def _are_tokens(value: object) -> bool:
    """Whether a value is a list of token numbers of OpenAI's own tokenizer, which mean nothing to this model."""
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _encoding_format(body: Mapping[str, Any]) -> str:
    chosen = body.get("encoding_format")
    if chosen is None:
        return ENCODING_FORMATS[0]
    if chosen not in ENCODING_FORMATS:
        raise InvalidInput(f"encoding_format must be {' or '.join(ENCODING_FORMATS)}.", field="encoding_format")
    return str(chosen)


def _check_dimensions(requested: object, dimensions: int) -> None:
    if requested is not None and not (_is_number(requested) and requested == dimensions):
        raise InvalidInput(
            f"this model's vectors have {dimensions} numbers and can't be shortened. Leave dimensions out, "
            f"or send {dimensions}.",
            field="dimensions",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
