"""The options of a submission: form fields, JSON keys or query parameters, checked once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from api.json_text import load_json
from shared.errors import BadRequest, FieldError, InvalidRequest

_LISTS = {"webhook_events"}
_OBJECTS = {"metadata"}
_LATER = "comes with a later version of this service"
LATER_MODES = frozenset({"number", "form"})
LATER_OPTIONS = frozenset({"template"})
"""What is refused with a clear word until it is there."""


def _without_nul(text: str) -> str:
    """Refuse the one character that Postgres cannot keep, and halves of pairs."""
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds a character that cannot be stored")
    return text


def whole(number: object) -> object:
    """Read 60.0 as 60: JSON knows one kind of number, and some writers give each a point."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Text = Annotated[str, AfterValidator(_without_nul), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
Key = Annotated[Text, StringConstraints(min_length=1, max_length=64)]
Value = Annotated[Text, StringConstraints(max_length=512)]


Event = Literal["job.completed", "job.started", "job.progress", "job.reviewed"]


class Options(BaseModel):
    """What a caller may ask for beside the files; an unknown option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["classify", "digit", "number", "form"] = Field(
        "classify", description="`classify`: one object an image. `digit` is an alias."
    )
    model: Annotated[Text, StringConstraints(min_length=1, max_length=130)] | None = Field(
        None,
        description="`name` or `name@version`; the served default when left out.",
        examples=["digits"],
        json_schema_extra={"format": "model-reference"},
    )
    template: Annotated[Text, StringConstraints(max_length=100)] | None = Field(
        None, description="Template of `mode=form`."
    )
    target_error: float | None = Field(
        None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="Error rate that is accepted among accepted answers.",
    )
    priority: Literal["low", "normal", "high"] = Field("normal", description="Place in the line.")
    webhook_url: Annotated[Text, StringConstraints(min_length=1)] | None = Field(
        None,
        description="Address that is told of the job's events, by https.",
        examples=["https://example.org/hook"],
        json_schema_extra={"format": "uri"},
    )
    webhook_events: Annotated[list[Event], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Events that it is told of; `job.completed` alone when left out."
    )
    metadata: Annotated[dict[Key, Value], Field(max_length=16)] = Field(
        default_factory=dict,
        description="At most 16 keys of 64 and values of 512 characters; echoed back.",
        json_schema_extra={"additionalProperties": False},
    )
    deadline_s: Annotated[int, Field(ge=1, le=31_536_000), BeforeValidator(whole)] | None = Field(
        None, description="Seconds after which what is left ends as `expired`."
    )
    name: Annotated[Text, StringConstraints(max_length=200)] | None = Field(
        None, description="Shown to people."
    )

    def canonical(self) -> dict[str, Any]:
        """Return what makes two submissions with one idempotency key the same."""
        given = self.model_dump(exclude_none=True)
        given["mode"] = "classify" if self.mode == "digit" else self.mode
        return given


def from_json(given: Mapping[str, Any]) -> Options:
    """Check options that came as JSON, with their JSON types.

    Raises:
        InvalidRequest: an option is unknown or wrong; `errors` names each.
    """
    return _checked(given, strict=True, where="body")


def from_pairs(pairs: Iterable[tuple[str, str]], where: str) -> Options:
    """Check options that came as text: objects are JSON, lists repeat the key, an empty form field is no value.

    Args:
        where: `body` for form fields, `query` for query parameters.

    Raises:
        InvalidRequest: an option is unknown or wrong.
    """
    given: dict[str, Any] = {}
    for key, text in pairs:
        if key in _LISTS:
            given.setdefault(key, []).append(text)
        elif key in given:
            raise InvalidRequest(errors=[{"loc": f"{where}.{key}", "msg": "is given more than once"}])
        elif text or where == "query" or key not in Options.model_fields:
            given[key] = _object(text, key, where) if key in _OBJECTS else _plain(text)
    return _checked(given, strict=False, where=where)


def _object(text: str, key: str, where: str) -> Any:
    """Read an object that came as JSON text."""
    try:
        return load_json(text.encode())
    except BadRequest as error:
        raise InvalidRequest(errors=[{"loc": f"{where}.{key}", "msg": "is to be a JSON object"}]) from error
    except InvalidRequest as error:
        name = error.errors[0]["loc"].removeprefix("body.")
        raise InvalidRequest(
            errors=[{"loc": f"{where}.{key}.{name}", "msg": "is given more than once"}]
        ) from error


def _plain(text: str) -> str:
    """Return a text without the space around it."""
    return text.strip()


def _checked(given: Mapping[str, Any], *, strict: bool, where: str) -> Options:
    """Validate; then refuse what is not built yet, clearly."""
    try:
        options = Options.model_validate(dict(given), strict=strict)
    except ValidationError as error:
        raise InvalidRequest(
            errors=[_field(e["loc"], e["type"], e["msg"], where) for e in error.errors()]
        ) from error
    later: list[FieldError] = []
    if options.mode in LATER_MODES:
        later.append({"loc": f"{where}.mode", "msg": f"mode `{options.mode}` {_LATER}"})
    given_later = [k for k in sorted(LATER_OPTIONS) if getattr(options, k) is not None]
    later += [{"loc": f"{where}.{key}", "msg": f"`{key}` {_LATER}"} for key in given_later]
    if options.webhook_events is not None and options.webhook_url is None:
        later.append({"loc": f"{where}.webhook_events", "msg": "`webhook_events` needs `webhook_url`"})
    if later:
        raise InvalidRequest("; ".join(e["msg"] for e in later) + ".", errors=later)
    return options


def _field(loc: tuple[int | str, ...], kind: str, msg: str, where: str) -> FieldError:
    """Word one finding of the validation."""
    text = "is no option of a submission" if kind == "extra_forbidden" else msg
    return {"loc": ".".join([where, *(str(part)[:100] for part in loc)]), "msg": text}


_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?:$|[,;\s])")
MOST_WAIT_S = 60


def preferred_wait(prefer: str | None) -> int | None:
    """Return N of `Prefer: wait=N` (RFC 7240), at most 60 s; None when there is none."""
    match = _WAIT.search(prefer.lower()) if prefer else None
    return None if match is None else min(int(match[1]), MOST_WAIT_S)
