"""Pieces of JSON Schema that several tasks share."""

from __future__ import annotations

from typing import Any

from gte_service.tasks.protocol import Schema

# The characters that Python's str.strip removes, written out: `\s` differs between regex engines.
VISIBLE = r"[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
TEXT: Schema = {"type": "string", "pattern": VISIBLE, "description": "A text with at least one visible character."}


def request_of(name: str, fields: dict[str, Schema], required: tuple[str, ...] = ("input_text",)) -> Schema:
    """The schema of a request body with `task_type`, these fields, and no others."""
    properties: dict[str, Any] = {"task_type": {"const": name}, **fields}
    return {
        "type": "object",
        "properties": properties,
        "required": ["task_type", *required],
        "additionalProperties": False,
    }


def one_or_many(item: Schema, description: str) -> Schema:
    """The schema of `input_text`: one item, or a list. A list may have any items: each gets its own answer or error."""
    return {"anyOf": [item, {"type": "array", "minItems": 1, "items": {}}], "description": description}


def known_fields(request: Schema) -> set[str]:
    """The names of all fields in a request's schema, including `task_type`."""
    return {name for form in request.get("oneOf", [request]) for name in form["properties"]}


_PLACE: dict[str, Schema] = {
    "text": {"type": "string", "minLength": 1},
    "start": {"type": "integer", "minimum": 0, "description": "First character, counted in Unicode code points."},
    "end": {"type": "integer", "minimum": 1, "description": "The position after the last character."},
}
SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 1}


def object_of(properties: dict[str, Schema]) -> Schema:
    """The schema of an object with all of these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SPAN: Schema = object_of(_PLACE)
TYPED_SPAN: Schema = object_of({**_PLACE, "type": {"type": "string"}})
ENTITIES: Schema = {"type": "array", "items": object_of({**_PLACE, "type": {"type": "string"}, "score": SCORE})}
