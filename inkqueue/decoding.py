"""How JSON objects become frozen dataclasses: known fields checked, unknown ones left in `raw`."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from inkqueue.exceptions import UnexpectedAnswer

T = TypeVar("T")
Convert = Callable[[object], object]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Base of everything that the service answers with; `raw` is the whole JSON object as it came."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def decode(cls: type[T], document: object) -> T:
    """Make a `cls` of a JSON object; fields that `cls` does not know are tolerated and kept in `raw`.

    A null where the class has a default and knows no null means the default.

    Raises:
        UnexpectedAnswer: a field that has no default is missing, or one has a wrong type.
    """
    if not isinstance(document, Mapping):
        raise UnexpectedAnswer(
            f"The service answered with no JSON object where a {cls.__name__} was expected."
        )
    values: dict[str, object] = {"raw": document}
    for plan in _plan(cls):  # type: ignore[arg-type] # mypy does not see that classes hash
        value = document.get(plan.name)
        if value is None and plan.has_default:
            continue
        if plan.name not in document:
            raise UnexpectedAnswer(f"The service's answer lacks `{plan.name}`.")
        try:
            values[plan.name] = plan.convert(value)
        except (TypeError, ValueError) as error:
            raise UnexpectedAnswer(f"The service's answer has a wrong `{plan.name}`: {error}.") from error
    return cls(**values)


@dataclass(frozen=True, slots=True)
class _FieldPlan:
    """How one field is filled; the default of a field that knows null is null."""

    name: str
    convert: Convert
    has_default: bool


@cache
def _plan(cls: type) -> tuple[_FieldPlan, ...]:
    """Plan how the fields of a class are filled."""
    hints = get_type_hints(cls)
    return tuple(
        _FieldPlan(one.name, _converter(hints[one.name]), not (one.default is one.default_factory is MISSING))
        for one in fields(cls)
        if one.name != "raw"
    )


def _converter(hint: Any) -> Convert:
    """Choose how a JSON value becomes a value of the annotated type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not types.NoneType)
        convert = _converter(inner)
        return lambda value: None if value is None else convert(value)
    if origin is tuple and arguments[-1] is Ellipsis:
        element = _converter(arguments[0])
        return lambda value: tuple([element(one) for one in _listed(value)])
    if origin is tuple:
        elements = [_converter(one) for one in arguments]
        return lambda value: tuple(c(v) for c, v in zip(elements, _listed(value), strict=True))
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: decode(hint, value)
    return _plain(origin or hint)


def _plain(kind: Any) -> Convert:
    """Choose the check of a scalar or a mapping."""
    if kind is datetime:
        return lambda value: datetime.fromisoformat(str(value))
    if kind is float:
        return _number
    if kind in (int, str, bool) or (isinstance(kind, type) and issubclass(kind, Mapping)):
        return lambda value: _exactly(kind, value)
    return lambda value: value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _exactly(kind: type, value: object) -> object:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value
