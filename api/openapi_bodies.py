"""The bodies and query parameters of submissions for the OpenAPI page."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from api.options import LATER_MODES, LATER_OPTIONS, Options
from shared.sniff import CONTENT_TYPES

_TEXT = {"type": "string", "pattern": r"^[^\u0000]*$"}
_BINARY = {"type": "string", "format": "binary", "minLength": 1}
_IMAGE = {
    "type": "object",
    "properties": {
        "custom_id": _TEXT
        | {
            "minLength": 1,
            "maxLength": 500,
            "description": "Unique in the job; comes back with the result.",
        },
        "name": _TEXT | {"minLength": 1, "maxLength": 500},
        "data": {
            "type": "string",
            "format": "image-data",
            "description": "Data URL or base64 of an image file.",
        },
        "pixels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "number", "minimum": 0, "maximum": 255},
            },
            "description": "Rows of grey values, of equal length.",
        },
    },
    "oneOf": [{"required": ["data"]}, {"required": ["pixels"]}],
    "additionalProperties": False,
}


def option_schemas(*, null: bool, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the schema of every option that is there yet.

    Args:
        without: options that this call refuses.
        null: keep `null` as a way to leave an option out; a form and an address have no such thing.
    """
    schemas: dict[str, Any] = deepcopy(Options.model_json_schema()["properties"])
    for name in LATER_OPTIONS | without:
        schemas.pop(name, None)
    schemas["mode"]["enum"] = [mode for mode in schemas["mode"]["enum"] if mode not in LATER_MODES]
    return schemas if null else {name: _without_null(schema) for name, schema in schemas.items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    if schema.get("default", "") is None:
        del schema["default"]
    return kinds[0] | schema if kinds else schema


def _parameters(without: frozenset[str]) -> list[dict[str, Any]]:
    """Return the options as query parameters; objects are JSON text."""
    found = []
    for name, schema in option_schemas(null=False, without=without).items():
        about = {"name": name, "in": "query", "description": schema.pop("description", "")}
        place = (
            {"content": {"application/json": {"schema": schema}}} if schema.get("type") == "object" else {}
        )
        found.append(about | (place or {"schema": schema}))
    return found


def _submission(most_images: int | None, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return body and parameters of a call that takes images."""
    most = {} if most_images is None else {"maxItems": most_images}
    return {
        "parameters": _parameters(without),
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _form(most, without)},
                "application/json": {"schema": _json(most, without), "example": _EXAMPLE},
                **{
                    kind: {"schema": _BINARY} for kind in sorted({*CONTENT_TYPES, "application/octet-stream"})
                },
            },
        },
    }


def _form(most: dict[str, int], without: frozenset[str]) -> dict[str, Any]:
    # an empty file fails as an item; where the one image is all there is, it is refused
    one = _BINARY if most else {name: value for name, value in _BINARY.items() if name != "minLength"}
    files = {"type": "array", "items": one, "minItems": 1, "description": "`file` is another name."}
    return {
        "type": "object",
        "properties": {"files": files | most, **_fields(without)},
        "required": ["files"],
        "additionalProperties": False,
    }


def _fields(without: frozenset[str]) -> dict[str, Any]:
    """Return the options as form fields, of which an empty one counts as left out: browsers send it."""
    schemas = option_schemas(null=False, without=without)
    for schema in schemas.values():
        schema.pop("minLength", None)
    return schemas


def _json(most: dict[str, int], without: frozenset[str]) -> dict[str, Any]:
    images = {"type": "array", "items": _IMAGE, "minItems": 1} | most
    return {
        "type": "object",
        "properties": {"images": images, **option_schemas(null=True, without=without)},
        "required": ["images"],
        "additionalProperties": False,
    }


_EXAMPLE = {"images": [{"custom_id": "a", "pixels": [[0, 255], [255, 0]]}], "name": "Ballots 17"}

SUBMISSION = _submission(None)
"""Of `POST /v1/jobs`; where an option stands both in the address and in the body, the body counts."""
ONE_IMAGE = _submission(1, frozenset({"webhook_url", "webhook_events"}))
"""Of `POST /v1/predict`."""
