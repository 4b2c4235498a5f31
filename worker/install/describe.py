"""What a person says about a network: the keys of `input.json` or `model.toml`, and the options of the command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.cards import NAME, Finite, Positive, Temperature
from worker.install.refusal import Refused

Side = Annotated[int, Field(ge=1, le=4096)]
Name = Annotated[str, Field(pattern=f"^(?:{NAME.pattern})$")]


def _as_list(value: Any) -> Any:
    """Let one number stand for a list of one."""
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


def _as_sides(value: Any) -> Any:
    """Let one number stand for a square."""
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value


class Description(BaseModel):
    """How pictures become the network's input and its outputs become answers; what is None is found out.

    A value v of 0…255 goes in as (v · scale − mean) / std; `size` is height and width.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    version: Name = "1.0.0"
    description: Annotated[str, Field(max_length=1000)] = ""
    size: Annotated[tuple[Side, Side] | None, BeforeValidator(_as_sides)] = None
    channels: Literal[1, 3] | None = None
    scale: Positive = 1 / 255
    mean: Annotated[list[Finite], BeforeValidator(_as_list), Field(min_length=1, max_length=3)] = [0.0]
    std: Annotated[list[Positive], BeforeValidator(_as_list), Field(min_length=1, max_length=3)] = [1.0]
    preparation: Annotated[str, Field(pattern=r"^(digits|plain)(@\d+)?$")] = "plain"
    answers: Literal["logits", "probabilities"] | None = None
    temperature: Temperature = 1.0
    junk: list[str] = []
    default_target_error: Annotated[float, Field(gt=0, lt=1)] = 0.01
    licence: str = "not told"
    data_licence: str = "not told"


def described(*sources: Mapping[str, Any]) -> Description:
    """Join descriptions; a later one counts more.

    Raises:
        Refused: a key is unknown or a value makes no sense.
    """
    joined = {key: value for source in sources for key, value in source.items() if value is not None}
    try:
        return Description.model_validate(joined)
    except ValidationError as error:
        told = "; ".join(_told(one["loc"], one["msg"], one["type"]) for one in error.errors()[:5])
        keys = ", ".join(Description.model_fields)
        raise Refused(f"The description is wrong: {told}.", f"Its keys are: {keys}.") from error


def _told(place: tuple[int | str, ...], message: str, kind: str) -> str:
    """Say in words what is wrong with one key."""
    key = str(place[0]) if place else "it"
    if kind == "extra_forbidden":
        return f"nobody knows the key {key!r}"
    if key in ("name", "version") and kind == "string_pattern_mismatch":
        return f"{key} takes letters, digits, dots, dashes and underscores, at most 64"
    return f"{key}: {message[:1].lower()}{message[1:]}"


def name_of(folder: str) -> str | None:
    """Make a model's name of a folder's; None when nothing is left of it."""
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder).strip("-._").lower()[:64]
    return cleaned if NAME.fullmatch(cleaned) else None
