"""The API reference as a page: what the OpenAPI document says, group by group, readable without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from api.guide import inline

METHODS = ("get", "post", "put", "patch", "delete")
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter, or a field of an answer."""

    name: str
    where: str
    kind: str
    required: bool
    says: Markup


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back under one status."""

    status: str
    says: Markup
    kinds: list[str]
    shape: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API."""

    anchor: str
    method: str
    path: str
    summary: str
    says: Markup
    inputs: list[Input]
    bodies: list[str]
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Shape:
    """A document that calls take or give, and its fields."""

    name: str
    says: Markup
    fields: list[Input]


@dataclass(frozen=True, slots=True)
class Reference:
    """All that the page shows: operations by their group, shapes by name."""

    groups: dict[str, list[Operation]]
    shapes: list[Shape]


def reference(document: Document) -> Reference:
    """Read an OpenAPI document."""
    groups: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method in filter(operations.__contains__, METHODS):
            found = operations[method]
            groups.setdefault(found["tags"][0], []).append(_operation(document, path, method, found))
    shapes = [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return Reference(groups, [shape for shape in shapes if shape.fields])


def _operation(document: Document, path: str, method: str, found: Document) -> Operation:
    return Operation(
        anchor=found["operationId"],
        method=method.upper(),
        path=path,
        summary=found["summary"],
        says=inline(found.get("description", "")),
        inputs=[_parameter(one) for one in found.get("parameters", [])],
        bodies=list(found.get("requestBody", {}).get("content", {})),
        answers=[_answer(document, *one) for one in sorted(found["responses"].items())],
    )


def _parameter(found: Document) -> Input:
    schema = found.get("schema") or next(iter(found["content"].values()))["schema"]
    says = inline(found.get("description", ""))
    return Input(found["name"], found["in"], kind_of(schema), found.get("required", False), says)


def _answer(document: Document, status: str, found: Document) -> Answer:
    if "$ref" in found:
        found = document["components"]["responses"][found["$ref"].rsplit("/", 1)[-1]]
    content = found.get("content", {})
    plain = content.get("application/json", {}).get("schema", {})
    says = "Done." if found["description"] == "Successful Response" else found["description"]
    return Answer(status, inline(says), list(content), next(iter(_references(plain)), None))


def _shape(name: str, schema: Document) -> Shape:
    required = schema.get("required", [])
    fields = [
        Input(field, "", kind_of(one), field in required, inline(one.get("description", "")))
        for field, one in schema.get("properties", {}).items()
    ]
    return Shape(name, inline(schema.get("description", "")), fields)


def kind_of(schema: Document) -> str:
    """Tell what a value may be, in a few words: `text`, `list of Item`, `accept or review`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(kind_of(one) for one in choices))
    if "const" in schema or "enum" in schema:
        return " or ".join(str(one) for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    return _simple(schema)


def _simple(schema: Document) -> str:
    names = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "nothing"}
    name = str(schema.get("type", "anything"))
    if schema.get("format") == "date-time":
        return "time"
    return names.get(name, name) + _bounds(schema)


def _bounds(schema: Document) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if "maxLength" in schema:
        return f", at most {schema['maxLength']} characters"
    return "" if low is None and high is None else f", from {low}" if high is None else f", up to {high}"


def _references(schema: Document) -> Iterator[str]:
    """Yield the names of the shapes that a schema names."""
    if "$ref" in schema:
        yield str(schema["$ref"]).rsplit("/", 1)[-1]
    for one in schema.get("anyOf", []):
        yield from _references(one)
