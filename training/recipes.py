"""Recipes as files: what a search found, for `train --recipe`."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from training.augment import Augmentation
from training.train import Recipe

Part = TypeVar("Part", Recipe, Augmentation)


class Way(NamedTuple):
    """How to train: the recipe and the augmentation."""

    recipe: Recipe
    augmentation: Augmentation


def write_way(way: Way, path: Path) -> None:
    """Write both as JSON."""
    content = {"recipe": asdict(way.recipe), "augmentation": asdict(way.augmentation)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_way(path: Path) -> Way:
    """Read what `write_way` wrote, or a part of it; what is not named stays as usual.

    Raises:
        ValueError: the file is missing or no JSON, a name is unknown or a value of another kind.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable recipe: {error}") from error
    if not isinstance(content, dict) or not set(content) <= set(Way._fields):
        raise ValueError(f"{path} is no recipe: it holds an object with recipe and augmentation")
    return Way(
        _part(Recipe, content.get("recipe", {}), path),
        _part(Augmentation, content.get("augmentation", {}), path),
    )


def _part(kind: type[Part], values: Any, path: Path) -> Part:
    """Check names and values of one part."""
    if not isinstance(values, dict):
        raise ValueError(f"{path}: {kind.__name__.lower()} is no object")
    unknown = set(values) - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(f"{path}: {kind.__name__.lower()} has no {', '.join(sorted(unknown))}")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
