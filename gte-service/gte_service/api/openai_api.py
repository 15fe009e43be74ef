"""POST /v1/embeddings and GET /v1/models, as clients of OpenAI's interface send and read them."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.routing import BaseConverter

from gte_monitoring.task_monitor import TaskMonitor
from gte_service.api.body import check_names, read_object
from gte_service.api.measured import record, record_rest
from gte_service.errors import InvalidInput, UnknownModel
from gte_service.serving.model_holder import ModelHolder
from gte_service.serving.status import read_model_status
from gte_service.settings import Settings
from gte_service.tasks.fields import kind_of, required, text_of, texts_of

EMBEDDINGS = "/v1/embeddings"
FIELDS = ("input", "model", "encoding_format", "dimensions", "user")
ENCODING_FORMATS = ("float", "base64")


class _ModelName(BaseConverter):
    """Any name, slashes included, also at its beginning: a local folder is called by its path."""

    regex = ".+"
    part_isolating = False


def blueprint(settings: Settings, holder: ModelHolder, monitor: TaskMonitor) -> Blueprint:
    """The routes, bound to a worker's model and monitor."""
    routes = Blueprint("openai", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(model_name=_ModelName))
    names = (settings.model_name, *settings.model_aliases)

    @routes.post(EMBEDDINGS)
    def embeddings() -> Response:
        deadline = time.monotonic() + settings.deadline_seconds
        body = read_object(example(settings), settings.max_body_bytes, deadline)
        check_names(body, FIELDS, EMBEDDINGS)
        _check_model(required(body, "model"), "model", names)
        texts = _texts(required(body, "input"), settings.max_texts)
        as_base64 = _encoding_format(body) == "base64"
        encoder = holder.encoder()
        _check_dimensions(body.get("dimensions"), encoder.dimensions)
        encoded = record(monitor, encoder.encode(texts, deadline))
        vectors = encoded.vectors.numpy().astype("<f4")
        response = jsonify(
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
            usage={"prompt_tokens": encoded.tokens, "total_tokens": encoded.tokens},
        )
        record_rest(monitor)
        return response

    @routes.get("/v1/models")
    def models() -> Response:
        return jsonify(object="list", data=[described(name) for name in names])

    @routes.get("/v1/models/<model_name:name>")
    def model(name: str) -> Response:
        _check_model(name, None, names)
        return jsonify(described(name))

    def described(name: str) -> dict[str, Any]:
        # Without a model there is nothing to describe: this says how far it is.
        holder.encoder()
        folder = Path(read_model_status(settings.run_dir).folder)
        owner = settings.model.partition("/")[0] if "/" in settings.model and not settings.model_dir else "local"
        return {"id": name, "object": "model", "created": int(folder.stat().st_mtime), "owned_by": owner}

    return routes


def example(settings: Settings) -> Mapping[str, Any]:
    """A body for POST /v1/embeddings that works."""
    return {"model": settings.model_name, "input": ["今天天气很好", "股市大跌"]}


def _check_model(name: object, field: str | None, names: Sequence[str]) -> None:
    if not isinstance(name, str):
        raise InvalidInput(f'"model" must be a string, not {kind_of(name)}. Send {names[0]!r}.', field=field)
    if name not in names:
        raise UnknownModel(
            f"the model {name[:80]!r} is not here. Send {names[0]!r}; what another model computed can't be compared "
            "with its vectors. For clients that can't send that name GTE_MODEL_ALIASES lists the names they may send.",
            field=field,
        )


def _texts(value: object, max_texts: int) -> list[str]:
    if isinstance(value, str):
        return [text_of(value, "input")]
    # Lists of numbers are tokens of OpenAI's own tokenizer, which say nothing to this model.
    if isinstance(value, list) and value and (_is_number(value[0]) or isinstance(value[0], list)):
        raise InvalidInput(
            "input holds token numbers, which belong to another tokenizer than this model's. Send the texts "
            "themselves; with LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False.",
            field="input",
        )
    if not isinstance(value, list):
        raise InvalidInput(f"input must be a string or a list of strings, not {kind_of(value)}.", field="input")
    return texts_of(value, "input", max_texts)


def _encoding_format(body: Mapping[str, Any]) -> str:
    chosen = body.get("encoding_format")
    if chosen is None:
        return ENCODING_FORMATS[0]
    if chosen not in ENCODING_FORMATS:
        raise InvalidInput(f"encoding_format must be {' or '.join(ENCODING_FORMATS)}.", field="encoding_format")
    return str(chosen)


def _check_dimensions(asked: object, has: int) -> None:
    if asked is not None and not (_is_number(asked) and asked == has):
        raise InvalidInput(
            f"this model's vectors have {has} numbers and can't be shortened. Leave dimensions out, or send {has}.",
            field="dimensions",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
